/**
 * Numbers as people read them: with thousands separators, and with how far apart the runs were.
 */

/** For what was not measured. */
export const NOTHING = '–';

/** @param digits behind the point; default: so many that about three digits say something */
export function figure(value: number | null | undefined, digits?: number): string {
  if (value === null || value === undefined || Number.isNaN(value)) return NOTHING;
  const fraction = digits ?? telling(Math.abs(value));
  return value.toLocaleString('en-US', { minimumFractionDigits: fraction, maximumFractionDigits: fraction });
}

/** A number that somebody chose: with the digits it was given. */
export function limit(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 6 });
}

function telling(size: number): number {
  if (size >= 100 || Number.isInteger(size)) return 0;
  if (size >= 10) return 1;
  return size >= 1 ? 2 : 3;
}

/** Half of what lies between the least and the most, as a share of the value: `±4 %`; nothing where they are equal. */
export function spreadOf(value: number | null | undefined, spread: readonly [number, number] | undefined): string {
  if (typeof value !== 'number' || value === 0 || spread === undefined) return '';
  const [least, most] = spread;
  return least === most ? '' : `±${figure(Math.abs((most - least) / 2 / value) * 100, 0)} %`;
}
