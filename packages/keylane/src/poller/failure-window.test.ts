import { expect, test } from 'vitest';
import { FailureWindow } from './failure-window.ts';

test('counts what happened within its length, to a tenth of it', () => {
  const window = new FailureWindow(1_000);
  window.note(0, 10, 10);
  window.note(450, 5, 1);
  window.note(451, 5, 1);
  expect(window.totals(500)).toEqual({ records: 20, failures: 12 });
  expect(window.totals(999)).toEqual({ records: 20, failures: 12 });
  expect(window.totals(1_000)).toEqual({ records: 10, failures: 2 });
  expect(window.totals(1_499)).toEqual({ records: 0, failures: 0 });
});

test('what is older is not counted again when its place is', () => {
  const window = new FailureWindow(1_000);
  window.note(50, 10, 10);
  window.note(3_050, 1, 0);
  expect(window.totals(3_099)).toEqual({ records: 1, failures: 0 });
});

test('forgets everything when it is cleared', () => {
  const window = new FailureWindow(1_000);
  window.note(0, 10, 10);
  window.clear();
  expect(window.totals(0)).toEqual({ records: 0, failures: 0 });
});
