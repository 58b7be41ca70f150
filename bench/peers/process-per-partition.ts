/**
 * Parallel by processes, the classic way: `threads` of them, each with a consumer and an event loop of its own, and an
 * equal share of the partitions. It keeps the order of each partition, and is never more parallel than there are
 * partitions. It commits after each batch what was handled: a crash repeats the batch.
 *
 * Partitions are assigned by hand, so that no rebalance between the processes is measured. Their CPU and memory are
 * added to this process's, which alone reports a result.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Counts } from '../workload/ledger.ts';
import { peer } from '../workload/peer.ts';
import type { ChildJob, ChildRequest, ChildSays } from './process-per-partition-child.ts';

const CHILD = fileURLToPath(new URL('./process-per-partition-child.js', import.meta.url));

await peer(async (job, { meter }) => {
  const children = Array.from({ length: job.threads }, (_, index) => {
    const partitions = Array.from({ length: job.partitions }, (_, partition) => partition);
    const childJob: ChildJob = { job, partitions: partitions.filter((one) => one % job.threads === index) };
    return fork(CHILD, [JSON.stringify(childJob)]);
  });
  await Promise.all(children.map((child) => said(child, 'ready')));
  const progress = children.map(() => ({ handled: 0, cpuUs: 0, rssMaxMiB: 0 }));
  const sum = (key: 'handled' | 'cpuUs' | 'rssMaxMiB') => progress.reduce((all, child) => all + child[key], 0);
  let cpuUsBefore = 0;
  await new Promise<void>((resolve, reject) => {
    for (const [index, child] of children.entries()) {
      child.on('message', (says: ChildSays) => {
        if (says.kind !== 'progress') return;
        progress[index] = says;
        if (!meter.countsCpu) cpuUsBefore = sum('cpuUs');
        meter.saw(sum('handled'));
        if (sum('handled') >= job.records) resolve();
      });
      child.on('exit', (code, signal) => reject(new Error(`a process ended early: ${signal ?? code}`)));
      ask(child, 'go');
    }
  });
  return {
    counts: () => countsOf(children, job.records),
    others: { cpuUs: sum('cpuUs') - cpuUsBefore, rssMaxMiB: sum('rssMaxMiB') },
  };
});

/** Each record comes to one process and each key lives in one partition, so that their counts add up. */
async function countsOf(children: readonly ChildProcess[], records: number): Promise<Counts> {
  const all = await Promise.all(
    children.map((child) => {
      const answer = said(child, 'counts');
      ask(child, 'counts');
      return answer;
    }),
  );
  const sum = (key: keyof Counts) => all.reduce((total, { counts }) => total + counts[key], 0);
  const completed = sum('completed');
  return { completed, lost: records - completed, duplicated: sum('duplicated'), outOfOrder: sum('outOfOrder') };
}

function ask(child: ChildProcess, request: ChildRequest): void {
  child.send(request);
}

/** The next of its messages of that kind. */
function said<Kind extends ChildSays['kind']>(
  child: ChildProcess,
  kind: Kind,
): Promise<Extract<ChildSays, { kind: Kind }>> {
  return new Promise((resolve) => {
    child.on('message', (says: ChildSays) => {
      if (says.kind === kind) resolve(says as Extract<ChildSays, { kind: Kind }>);
    });
  });
}
