/**
 * Whose a row or a series is, by its name: what is Keylane's begins so, or goes on so after a colon (`computes 1 ms:
 * Keylane, 1 thread`); so does what nobody could have: what is only computed (`ideal`), or does without Kafka (`bare`).
 * What may lose records says `unsafe`.
 */
export type Kind = 'keylane' | 'peer' | 'unsafe' | 'ideal';

export function kindOf(name: string): Kind {
  if (/(^|: )keylane\b/i.test(name)) return 'keylane';
  if (/(^|: )((the )?ideal|bare)\b/i.test(name)) return 'ideal';
  return /\bunsafe\b/i.test(name) ? 'unsafe' : 'peer';
}
