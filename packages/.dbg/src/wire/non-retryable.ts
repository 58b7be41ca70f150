/**
 * The error a handler throws when another attempt would only fail again. Here because handler threads throw it and the
 * poller reads it.
 */

/**
 * Thrown by a handler, its record is not tried again: it is exhausted at once (see `onExhausted`). Any other error with
 * a property `retryable` that is `false` means the same.
 *
 * @example
 * throw new NonRetryableError('the customer does not exist', { cause: error });
 */
export class NonRetryableError extends Error {
  readonly retryable = false;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'NonRetryableError';
  }
}
