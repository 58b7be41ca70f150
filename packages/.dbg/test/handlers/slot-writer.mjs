// No handler: a thread that writes into slots. `workerData`: { buffer, stop }; until `stop` is set it begins and ends
// runs whose lane id says when they began, so that a mixture of two shows. Without `stop` it begins one, and ends.
import { workerData } from 'node:worker_threads';
import { Slots } from '../../dist/wire/slots.js';

const { buffer, stop } = workerData;
const slots = new Slots(1, 0, buffer);
if (stop === undefined) slots.begin(0, 0, performance.now());
for (let at = 0; stop !== undefined && Atomics.load(stop, 0) === 0; at = (at + 1) % 1_000_000) {
  slots.begin(0, at, at);
  // Long enough for some reads to fall between two changes, and others on one.
  for (let spin = at % 200; spin > 0; spin -= 1) Atomics.load(stop, 0);
  slots.end(0);
}
