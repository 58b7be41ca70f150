import { defineConfig } from 'vitest/config';

// Forks, not threads: the Kafka client's addon loads in one thread of a process only.
const pool = 'forks';

export default defineConfig({
  test: {
    // More than there are CPUs: most of them wait for a broker most of the time.
    maxWorkers: 3,
    projects: [
      {
        test: {
          name: 'unit',
          pool,
          include: [
            'packages/*/{src,sim,chaos}/**/*.test.ts',
            'bench/{src,workload}/**/*.test.ts',
            'scripts/**/*.test.ts',
          ],
          testTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'broker',
          pool,
          include: ['{packages,examples}/*/test/**/*.test.ts'],
          globalSetup: ['scripts/test-brokers.ts'],
          testTimeout: 90_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
