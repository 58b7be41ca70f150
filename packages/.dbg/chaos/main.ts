/**
 * Chaos on a real broker, from a seed: consumer processes are started, closed, killed, frozen; their threads end and
 * hang; the broker restarts. Afterwards every promise is judged by what they all wrote down. See `--help`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startKafka, whyNoKafka } from '../../../scripts/kafka.ts';
import { Guard } from './guard.ts';
import { Report } from './report.ts';
import { PROTOCOLS, type Protocol, type RunResult, runChaos, SESSION_MS } from './run.ts';

const HELP = `npm run chaos -- [options]

  --minutes N        how long records come and things happen, finishing aside (default 30)
  --seed N           decides what happens and when (default: a new one, which is printed)
  --records N        how many records (default: 20,000 a minute, at most 100,000)
  --protocol NAME    ${PROTOCOLS.join(', ')} or all, one after the other in the same time (default all)
  --json             the last line of the output is the result as JSON; everything else goes to stderr
  --keep             keep every process's ledger and output, and say where; kept anyway where a promise is broken
  --help

Exit codes: 0 every promise held, 1 the run itself failed, 2 wrong options, 3 a promise is broken.

Examples:
  npm run chaos -- --minutes 2 --seed 1
  npm run chaos -- --minutes 10 --protocol cooperative --seed 4711 --keep`;

interface Options {
  readonly minutes: number;
  readonly seed: number;
  readonly records: number;
  readonly protocols: readonly Protocol[];
  readonly json: boolean;
  readonly keep: boolean;
}

function readOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '30' },
      seed: { type: 'string', default: String(1 + Math.floor(Math.random() * 1e6)) },
      records: { type: 'string' },
      protocol: { type: 'string', default: 'all' },
      json: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
  const records = Number(values.records ?? Math.min(100_000, Math.ceil(20_000 * minutes)));
  const protocols = PROTOCOLS.filter((name) => values.protocol === 'all' || values.protocol === name);
  if (!(minutes > 0)) throw new RangeError('--minutes must be a number above 0');
  if (!Number.isSafeInteger(seed) || seed < 0) throw new RangeError('--seed must be a whole number from 0');
  if (!Number.isSafeInteger(records) || records < 1) throw new RangeError('--records must be a whole number from 1');
  if (protocols.length === 0) throw new RangeError(`--protocol must be ${PROTOCOLS.join(', ')} or all`);
  return { minutes, seed, records, protocols, json: values.json, keep: values.keep };
}

/** Worth a look, though no promise is broken. */
function isOdd({ stalled, failed, strangers, causes }: RunResult): boolean {
  return stalled || failed + strangers + (causes.unexplained ?? 0) > 0;
}

async function chaos(options: Options, signal: AbortSignal): Promise<number> {
  const { minutes, seed, records, protocols, json } = options;
  const report = new Report(json);
  const say = (line: string) => report.line(line);
  const command =
    `npm run chaos -- --minutes ${minutes} --seed ${seed} --records ${records}` +
    (protocols.length === 1 ? ` --protocol ${protocols[0]}` : '');
  say(`seed ${seed}; the same again: ${command}`);
  const directory = await mkdtemp(join(tmpdir(), 'keylane-chaos-'));
  let keep = true;
  const guard = new Guard();
  const results: RunResult[] = [];
  try {
    await using broker = await startKafka(say, {
      properties: {
        'group.consumer.session.timeout.ms': String(SESSION_MS),
        'group.consumer.heartbeat.interval.ms': '1500',
      },
      onSpawned: (child) => guard.watch(child),
    });
    for (const [index, protocol] of protocols.entries()) {
      signal.throwIfAborted();
      const share = Math.floor(((index + 1) * records) / protocols.length);
      const result = await runChaos({
        protocol,
        broker,
        guard,
        signal,
        // The same whether alone or one of three.
        seed: seed + PROTOCOLS.indexOf(protocol),
        durationMs: (minutes * 60_000) / protocols.length,
        records: share - Math.floor((index * records) / protocols.length),
        directory: join(directory, protocol),
        onProgress: (progress) => report.progress(progress),
        say,
      });
      results.push(result);
    }
    const whole = report.result(results, seed, command);
    keep = options.keep || !whole || results.some(isOdd);
    return whole ? 0 : 3;
  } finally {
    report.end();
    if (signal.aborted || !keep) await rm(directory, { recursive: true, force: true });
    else say(`the ledgers and the output of every process: ${directory}`);
    if (json && results.length === protocols.length) console.log(report.json(results, seed));
  }
}

async function main(): Promise<number> {
  let options: Options | undefined;
  try {
    options = readOptions();
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${HELP}`);
    return 2;
  }
  if (options === undefined) {
    console.log(HELP);
    return 0;
  }
  const problem = await whyNoKafka();
  if (problem !== undefined) {
    console.error(`Kafka cannot be started: ${problem}`);
    return 1;
  }
  const aborter = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => aborter.abort());
  try {
    return await chaos(options, aborter.signal);
  } catch (error) {
    if (aborter.signal.aborted) {
      console.error('interrupted; everything is stopped and removed');
      return 130;
    }
    console.error(error);
    return 1;
  }
}

// Connections to a broker that is away would keep the process for a while.
process.exit(await main());
