import { EventEmitter } from 'node:events';
import { expect, test, vi } from 'vitest';
import type { ClientListener } from './client.ts';
import { ConfluentClient } from './confluent-client.ts';

const REFUSED = Object.assign(new Error('group authorization failed'), { code: 30 });

/** What the binding is here: it takes its time to connect, and says once that the group is refused. */
class StubConsumer extends EventEmitter {
  asked = 0;

  connect(_options: unknown, done: (error: null) => void): void {
    const timer = setInterval(() => {
      if (this.asked < 2) return;
      clearInterval(timer);
      done(null);
    }, 1);
  }

  isConnected(): boolean {
    return true;
  }

  getClient() {
    return {
      consume: (...[, , , done]: [number, number, boolean, (...answer: unknown[]) => void]) => {
        this.asked += 1;
        setImmediate(done, this.asked === 1 ? REFUSED : null, [], []);
      },
    };
  }
}

const consumers = vi.hoisted((): { last?: StubConsumer } => ({}));

vi.mock('@confluentinc/kafka-javascript', () => ({
  default: {
    KafkaConsumer: class extends StubConsumer {
      constructor() {
        super();
        consumers.last = this;
      }
    },
  },
}));

test('what a client fails with while it connects is for the first who consumes', async () => {
  const client = new ConfluentClient({});
  await client.connect({} as ClientListener, 1_000);
  const { asked } = consumers.last as StubConsumer;
  const answers = [];
  for (let call = 0; call < 2; call += 1)
    answers.push(await new Promise((resolve) => client.consume(10, (error) => resolve(error))));
  expect(answers).toEqual([
    expect.objectContaining({ message: 'consuming failed: group authorization failed', kafkaCode: 30 }),
    undefined,
  ]);
  // And nobody but who consumes asks any more.
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(consumers.last?.asked).toBe(asked + 1);
});
