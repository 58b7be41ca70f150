/**
 * Everything that enters the poller's stations from outside (the client, the executor, a timer) enters through a
 * guard: a fault inside makes the consumer fail, loudly and whole, instead of leaving it half alive.
 */
import { asError, InvariantError, KeylaneError } from '../errors.ts';

/** Wraps a callback. */
export type Guard = <Parameters extends unknown[]>(
  call: (...parameters: Parameters) => void,
) => (...parameters: Parameters) => void;

export function guardWith(onFatal: (error: KeylaneError) => void): Guard {
  return (call) =>
    (...parameters) => {
      try {
        call(...parameters);
      } catch (error) {
        onFatal(asFatal(error));
      }
    };
}

/** An error of Keylane as it is, anything else as the fault it must be. */
export function asFatal(thrown: unknown): KeylaneError {
  if (thrown instanceof KeylaneError) return thrown;
  return new InvariantError(`something unexpected was thrown: ${asError(thrown).message}`, { cause: thrown });
}
