/** Keylane itself. With `times` it also reports the span of the offset map (workload/spans.ts). */
import { keylaneOptions } from '../workload/keylane-options.ts';
import { LOOK_EVERY_MS, peer, sayReady } from '../workload/peer.ts';
import { Spans } from '../workload/spans.ts';

/** Looks that need not be so near to each other cost the main thread less of what is measured. */
const LOOK_SELDOM_MS = 10;

await peer(async (job, { meter, data }) => {
  const lookEveryMs = job.times ? LOOK_EVERY_MS : LOOK_SELDOM_MS;
  const { startConsumer }: typeof import('keylane') =
    job.build === 'rotation'
      ? await import(new URL('../keylane-rotation/dist/index.js', import.meta.url).href)
      : await import('keylane');
  const consumer = await startConsumer(keylaneOptions(job, data));
  const spans = new Spans();
  let ready = false;
  for (;;) {
    const { completed, buffered, partitions } = consumer.snapshot();
    if (!ready && partitions.length > 0) {
      ready = true;
      sayReady();
    }
    if (job.times && completed > 0) spans.look(partitions);
    if (completed > 0 || buffered.records > 0) meter.saw(completed);
    if (completed >= job.records) return job.times ? { more: spans.measured() } : undefined;
    await Promise.race([consumer.closed, new Promise((resolve) => setTimeout(resolve, lookEveryMs))]);
  }
});
