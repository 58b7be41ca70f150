/** The work of all peers, as a Piscina task. */
import { workerData } from 'piscina';
import { type HandlingData, handling } from '../workload/handling.ts';

const handle = handling(workerData as HandlingData);

/** @param record its value comes as a Uint8Array: structured clone knows no Buffer */
export default function handleRecord({ value }: { readonly value: Uint8Array }): void | Promise<void> {
  return handle(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
}
