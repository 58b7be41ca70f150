/**
 * A session: what Piscina runs in a handler thread, from the first record to the thread's end. It loads the handler
 * module, opens it, runs what frames bring, and reports.
 */

import { threadId as nodeThreadId, receiveMessageOnPort } from 'node:worker_threads';
import { Leases } from '../wire/leases.ts';
import type { FromThread, SessionStart, ToThread } from '../wire/messages.ts';
import { writeReport } from '../wire/report.ts';
import { Ring } from '../wire/ring.ts';
import { Slots } from '../wire/slots.ts';
import { fromWireError, toWireError, type WireError } from '../wire/wire-error.ts';
import { decoding } from './decode.ts';
import { readFrame, takeFrame } from './frame-reader.ts';
import type { AnyHandler, HandleFunction } from './handler.ts';
import { LaneRunner } from './lane-runner.ts';
import { Reporter } from './reporter.ts';

/**
 * Resolves on a clean end, and with an error where the handler module cannot be opened; whatever else ends the thread
 * rejects Piscina's promise with the cause.
 */
export default async function session(start: SessionStart): Promise<WireError | undefined> {
  const { port, handlerUrl, threadId, concurrency, handlerData, handlerTimeoutMs } = start;
  const slots = new Slots(concurrency, 0, start.slots);
  slots.claim(nodeThreadId);
  const tell = (message: FromThread): void => port.postMessage(message);
  // All that can come before the handler is open: the end.
  const isOver = (): boolean => receiveMessageOnPort(port) !== undefined;
  if (isOver()) return undefined;
  let handler: AnyHandler;
  let handle: HandleFunction<unknown>;
  let state: unknown;
  try {
    const module = await import(handlerUrl);
    if (isOver()) return undefined;
    handler = handlerOf(module, handlerUrl);
    handle = decoding(handler);
    state = await handler.open?.({ threadId, handlerData });
  } catch (thrown) {
    return toWireError(thrown);
  }

  const reports = new Ring(start.reports);
  const reporter = new Reporter((report) => tell(writeReport(reports, report) ?? report));
  const site = { threadId, state, handlerTimeoutMs, leases: new Leases(start.leases) };
  const runner = new LaneRunner({ handle, concurrency, reporter, slots, site });
  const frames = new Ring(start.frames);
  const topics: string[] = [];
  const end = new Promise<void>((resolve) => {
    port.on('message', (message: ToThread) => {
      if (typeof message === 'number') return runner.add(readFrame(takeFrame(frames, message), topics));
      if (message.type === 'end') return resolve();
      topics.push(...message.topics);
      const frame = message.frame instanceof ArrayBuffer ? message.frame : takeFrame(frames, message.frame);
      runner.add(readFrame(frame, topics, message.errors));
    });
  });
  tell({ type: 'ready' });
  await end;
  await runner.idle();
  await handler.close?.({ state });
  port.close();
  return undefined;
}

/** The handler a module exports by default: an object with `handle`, or the function itself. */
function handlerOf(module: { default?: unknown }, url: string): AnyHandler {
  const exported = module.default;
  if (typeof exported === 'function') return { handle: exported as AnyHandler['handle'] };
  if (
    typeof exported === 'object' &&
    exported !== null &&
    'handle' in exported &&
    typeof exported.handle === 'function'
  ) {
    return exported as AnyHandler;
  }
  const found = exported === undefined ? 'it has no default export' : `its default export is ${typeof exported}`;
  throw fromWireError({
    name: 'TypeError',
    message: `${url} exports no handler: ${found}. Export a function, or defineHandler({ handle }), by default.`,
    stack: '',
  });
}
