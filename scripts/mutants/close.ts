/**
 * Mutants of a start and a close in which something fails.
 */
import type { Mutant } from './mutant.ts';

export const CLOSE: readonly Mutant[] = [
  {
    name: 'close-ends-at-the-first-fault',
    breaks: 'each step of a close is made whatever became of the one before',
    changes: [['poller/close-steps.ts', 'this.#onFailed(failureOf(thrown));', 'throw thrown;']],
  },
  {
    name: 'fault-of-a-step-forgotten',
    breaks: 'a close with a step that threw fails',
    changes: [['poller/close-steps.ts', 'this.#onFailed(failureOf(thrown));', '']],
  },
  {
    name: 'leaving-awaited-for-ever',
    breaks: 'each step of a close has a limit',
    changes: [['poller/close-steps.ts', 'await Promise.race([this.run(step), limit]);', 'await this.run(step);']],
  },
  {
    name: 'limit-of-a-step-left-behind',
    breaks: 'after a close nothing is left',
    changes: [['poller/close-steps.ts', '    timer?.stop();\n', '']],
  },
  {
    name: 'fatal-error-in-a-close-forgotten',
    breaks: 'what goes wrong during a close is what it fails with',
    changes: [['consumer.ts', 'this.#cause ??= cause;', 'if (this.#closing === undefined) this.#cause = cause;']],
  },
  {
    name: 'failed-start-left-as-it-was',
    breaks: 'a start that fails frees everything',
    firstSeed: 777,
    changes: [['consumer.ts', 'await this.#shutDown(undefined, asFatal(error));', '']],
  },
  {
    name: 'fault-of-a-pause-left-to-the-application',
    breaks: 'a client that throws fails the consumer, whoever called',
    changes: [
      [
        'poller/pipeline.ts',
        'this.#guard(() => this.#setPaused(paused, partitions))();',
        'try { this.#setPaused(paused, partitions); } catch {}',
      ],
    ],
  },
];
