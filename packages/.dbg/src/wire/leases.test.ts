import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Lease, Leases } from './leases.ts';

describe('Leases', () => {
  test('a lease holds until it is revoked, in every thread that has the table', () => {
    const leases = new Leases();
    const inThread = new Leases(leases.buffer);
    const [one, two] = [leases.grant(), leases.grant()];
    expect([one, two].map((lease) => inThread.holds(lease))).toEqual([true, true]);
    leases.revoke(one);
    expect([one, two].map((lease) => inThread.holds(lease))).toEqual([false, true]);
  });

  test('a place that is granted again does not bring the old lease back', () => {
    const leases = new Leases();
    const old = leases.grant();
    leases.revoke(old);
    const next = leases.grant();
    expect([next.index, leases.holds(old), leases.holds(next)]).toEqual([old.index, false, true]);
    leases.revoke(old);
    expect(leases.holds(next)).toBe(true);
  });

  test('whatever is granted and revoked, exactly the open ones hold', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat(20))), (steps) => {
        const leases = new Leases(new SharedArrayBuffer(100 * 4));
        const [open, gone]: [Lease[], Lease[]] = [[], []];
        for (const step of steps) {
          const lease = step === null ? undefined : open.splice(step, 1)[0];
          if (lease === undefined) open.push(leases.grant());
          else {
            leases.revoke(lease);
            gone.push(lease);
          }
        }
        expect(open.every((lease) => leases.holds(lease))).toBe(true);
        expect(gone.some((lease) => leases.holds(lease))).toBe(false);
      }),
    );
  });

  test('past the size of the table partitions share a lease that is never revoked', () => {
    const leases = new Leases(new SharedArrayBuffer(3 * 4));
    const granted = Array.from({ length: 4 }, () => leases.grant());
    for (const lease of granted) leases.revoke(lease);
    expect(granted.map((lease) => leases.holds(lease))).toEqual([false, false, true, true]);
  });
});
