#!/usr/bin/env node
/**
 * The executable.
 */
import { run } from './program.ts';

/** A client that does not let go is no reason to stay. */
const LINGER_MS = 5_000;

// Whoever reads our output may have seen enough, as `head` has.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
process.exitCode = await run(process.argv.slice(2));
setTimeout(() => process.exit(), LINGER_MS).unref();
