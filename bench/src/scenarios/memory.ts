/**
 * A backlog of records of 1 KB and a handler that hangs: what is fetched must not go beyond the budgets, however much
 * waits on the broker. Idle is the same process with its threads up and its partitions assigned, on an empty topic.
 */
import type { Job } from '../../workload/job.ts';
import {
  type Bench,
  type Findings,
  type Measures,
  type Scenario,
  type Topic,
  type Variant,
  valueIn,
} from '../bench.ts';
import { figure } from '../figures.ts';

const IDLE = 'Keylane, 1 thread, idle';
const KEYLANE = 'Keylane, 1 thread';
/** With records of 1 KB the default limit of 10,000 records binds first; here that of bytes does. */
const BY_BYTES = 'Keylane, 1 thread, no limit but bytes';
const UNBOUNDED = 'unsafe: starts a handler for every record';

const RECORD_BYTES = 1_024;
const PARTITIONS = 8;
const KEYS = 10_000;
const IDLE_SECONDS = 5;
/** More than this the loop without a limit is not given: the machine is to survive it. */
const UNBOUNDED_RECORDS_MAX = 400_000;
const RECORDS_NO_LIMIT = 10_000_000;
/** Defaults of Keylane, and what it sets at the client. */
const BUFFERED_MIB_MAX = 64;
const CLIENT_MIB_MAX = 32;

export const memory: Scenario = {
  title: 'a backlog, and a handler that hangs',
  quickRuns: 1,
  async run(bench: Bench): Promise<Findings> {
    const records = bench.sized(150_000, 1_000_000);
    const seconds = bench.sized(20, 60);
    const unboundedRecords = Math.min(records, UNBOUNDED_RECORDS_MAX);
    const empty = { topic: await bench.emptyTopic(PARTITIONS), partitions: PARTITIONS, records: 0, keys: 1 };
    const backlog = await bench.topic({
      partitions: PARTITIONS,
      records,
      bytes: RECORD_BYTES,
      key: (index) => index % KEYS,
    });
    const variant = (name: string, peer: string, of: Topic, watchSeconds: number, more: Partial<Job>): Variant => ({
      name,
      async run(): Promise<Measures> {
        const { more: measured = {} } = await bench.peer(
          peer,
          bench.job(of, { work: 'hang', watchMs: watchSeconds * 1_000, ...more }),
        );
        return measured;
      },
    });
    // A hang must go on for as long as it is watched: nothing ends it.
    const keylane = { keylane: { handlerTimeoutMs: 0 } };
    const byBytes = { keylane: { ...keylane.keylane, bufferedRecordsMax: RECORDS_NO_LIMIT } };
    const rows = await bench.inTurns([
      variant(IDLE, 'keylane-memory', empty, IDLE_SECONDS, keylane),
      variant(KEYLANE, 'keylane-memory', backlog, seconds, keylane),
      variant(BY_BYTES, 'keylane-memory', backlog, seconds, byBytes),
      variant(UNBOUNDED, 'unbounded', backlog, seconds, { records: unboundedRecords }),
    ]);
    const most = (key: string) => Math.max(valueIn(rows, KEYLANE, key), valueIn(rows, BY_BYTES, key));
    const idle = valueIn(rows, IDLE, 'rssMiB');
    return {
      rows,
      columns: [
        { key: 'rssMiB', title: 'RSS, most, MiB' },
        { key: 'heapMiB', title: 'main heap, MiB' },
        { key: 'externalMiB', title: 'external, MiB' },
        { key: 'heldRecords', title: 'records held' },
        { key: 'heldMiB', title: 'bytes held, MiB', digits: 1 },
        { key: 'growth', title: 'last quarter / second', digits: 3 },
      ],
      ratios: {
        rssOverIdleMiB: most('rssMiB') - idle,
        flat: most('growth'),
        unboundedOverIdleMiB: valueIn(rows, UNBOUNDED, 'rssMiB') - idle,
      },
      targets: [
        { ratio: 'rssOverIdleMiB', atMost: 200 },
        { ratio: 'flat', atMost: 1.05 },
      ],
      chart: {
        title: `A backlog of ${Math.round((records * RECORD_BYTES) / 2 ** 20)} MiB, and a handler that hangs`,
        axis: 'most memory of the process (RSS), MiB',
        series: [{ key: 'rssMiB', name: 'RSS' }],
        better: 'less',
      },
      notes: [
        `${figure(records)} records wait; Keylane was watched for ${seconds} s from the first one on. Its budgets are those of ` +
          `the defaults: ${BUFFERED_MIB_MAX} MiB of records held (bufferedBytesMax) and ${CLIENT_MIB_MAX} MiB fetched ` +
          'ahead by the client (queued.max.messages.kbytes). By default 10,000 records held are a limit as well; the ' +
          'ratios are of the worse of both.',
        `The loop that starts every handler got ${figure(unboundedRecords)} of them: what it takes grows with each, so where ` +
          'its memory ends only says where the records did.',
      ],
      promises: [],
    };
  },
};
