/**
 * A client whose calls fail now and then: they throw what nobody expects of them, and leaving the group never ends.
 */
import { KafkaError } from '../src/errors.ts';
import type { Random } from './random.ts';
import type { Weather } from './weather.ts';

export class FakeFaults {
  /** What was thrown first; the consumer has to fail with it. */
  first: KafkaError | undefined = undefined;
  readonly #random: Random;
  readonly #weather: Weather;

  constructor({ random, weather }: { readonly random: Random; readonly weather: Weather }) {
    this.#random = random;
    this.#weather = weather;
  }

  /** Called first of all by each call that may throw. */
  check(call: string): void {
    if (!this.#random.chance(this.#weather.clientThrows)) return;
    const thrown = new KafkaError('ERR_KAFKA', `the client refused ${call}()`, { kafkaCode: -172 });
    this.first ??= thrown;
    throw thrown;
  }

  get leavingHangs(): boolean {
    return this.#random.chance(this.#weather.leavingHangs);
  }
}
