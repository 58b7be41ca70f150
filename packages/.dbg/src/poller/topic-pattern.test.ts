import { describe, expect, test } from 'vitest';
import { topicPattern } from './topic-pattern.ts';

/** As a literal, the linter would rightly refuse these. */
const compiled = (source: string): RegExp => new RegExp(source);

describe('topicPattern', () => {
  test.each([
    { name: 'a word anywhere in the name', expression: /orders/, pattern: '^.*(orders)' },
    { name: 'from the beginning', expression: /^orders/, pattern: '^orders' },
    { name: 'the whole name', expression: /^orders$/, pattern: '^orders$' },
    { name: 'to the end', expression: /-dlq$/, pattern: '^.*(-dlq$)' },
    { name: 'one or the other, anywhere in the name', expression: /a|b/, pattern: '^.*(a|b)' },
    { name: 'one from the beginning, or the other', expression: /^a|b/, pattern: '^a|b' },
    { name: 'digits', expression: /^a\d+$/, pattern: '^a[0-9]+$' },
    { name: 'word characters', expression: /^\w+\.v\d$/, pattern: '^[A-Za-z0-9_]+\\.v[0-9]$' },
    { name: 'classes within a set', expression: /^[\d.]+[x\w]$/, pattern: '^[0-9.]+[xA-Za-z0-9_]$' },
    { name: 'a class after a set', expression: /^[ab]\d$/, pattern: '^[ab][0-9]$' },
    { name: 'a set without some', expression: /^[^ab\d]$/, pattern: '^[^ab0-9]$' },
    { name: 'digits and a dot in a set', expression: /^a[\d.]+$/, pattern: '^a[0-9.]+$' },
    { name: 'a dash in a set goes last', expression: /^a[x\-z]b/, pattern: '^a[xz-]b' },
    { name: 'a set without a dash', expression: /^[^\-\w]/, pattern: '^[^A-Za-z0-9_-]' },
    { name: 'a dash before a class, outside a set', expression: /^orders-\d+$/, pattern: '^orders-[0-9]+$' },
    { name: 'a class and a dash at the end of a set', expression: /^[\w-]$/, pattern: '^[A-Za-z0-9_-]$' },
    { name: 'escapes that a set needs not', expression: /^[._/]/, pattern: '^[._/]' },
    { name: 'a group that is not kept', expression: /^(?:a|b)+$/, pattern: '^(a|b)+$' },
    { name: 'a group', expression: /^(a|b)?c$/, pattern: '^(a|b)?c$' },
    { name: 'counts', expression: /^a{2,3}b{4}$/, pattern: '^a{2,3}b{4}$' },
    { name: 'a dot', expression: /^a\.b.c$/, pattern: '^a\\.b.c$' },
    { name: 'a slash', expression: /^a\/b$/, pattern: '^a/b$' },
    { name: 'a dash and an underscore', expression: /^a-b_c$/, pattern: '^a-b_c$' },
  ])('$name: $expression', ({ expression, pattern }) => expect(topicPattern(expression)).toEqual({ pattern }));

  test.each([
    { expression: /a/i, problem: '/a/i: the client knows no flags' },
    { expression: /a/gu, problem: '/a/gu: the client knows no flags' },
    { expression: /^(?!internal)/, problem: 'look-around and named groups' },
    { expression: /a(?=b)/, problem: 'look-around and named groups' },
    { expression: /(?<=a)b/, problem: 'look-around and named groups' },
    { expression: /(?<name>a)/, problem: 'look-around and named groups' },
    { expression: /^a+?b/, problem: 'lazy quantifiers' },
    { expression: /^a*?b/, problem: 'lazy quantifiers' },
    { expression: /^a??b/, problem: 'lazy quantifiers' },
    { expression: /^a{2}?b/, problem: 'lazy quantifiers' },
    { expression: /^(a)\1$/, problem: 'back references' },
    { expression: /\bx/, problem: 'escapes' },
    { expression: /a\B/, problem: 'escapes' },
    { expression: /\x61/, problem: 'escapes' },
    { expression: /\u0061/, problem: 'escapes' },
    { expression: /a\sb/, problem: 'escapes' },
    { expression: /\S/, problem: 'escapes' },
    { expression: /\D/, problem: 'escapes' },
    { expression: /\W/, problem: 'escapes' },
    { expression: /\t/, problem: 'escapes' },
    { expression: /[\s]/, problem: 'escapes' },
    { expression: /^\[\d\]$/, problem: 'escapes' },
    { expression: /[\w-z]/, problem: 'ranges' },
    { expression: /[a-\d]/, problem: 'ranges' },
    { expression: /[a\--z]/, problem: 'ranges' },
    { expression: compiled('[]'), problem: 'empty sets' },
    { expression: compiled('[^]'), problem: 'empty sets' },
    { expression: compiled('[[:alpha:]]'), problem: 'empty sets' },
    { expression: /^a\\d$/, problem: 'escapes' },
  ])('$expression is refused: $problem', ({ expression, problem }) => {
    const result = topicPattern(expression);
    expect(result.problem).toContain(problem);
    expect(result.problem).toContain(expression.source);
    expect(result.pattern).toBeUndefined();
  });

  // In these a POSIX expression and a JavaScript one mean the same, so the pattern can be tried as one.
  const names = [
    'orders',
    'orders-1',
    'orders.v2',
    'my-orders',
    'Orders',
    'a',
    'b',
    'ab',
    'a.b',
    'axb',
    'ayb',
    'azb',
    'a-b',
    'a1.2',
    'abab',
    'x_1',
    '12',
  ];
  test.each([
    /orders/,
    /^orders/,
    /orders$/,
    /^orders[.-]/,
    /a|b/,
    /^a|b/,
    /a|^b/,
    /^a|b$/,
    /^(?:a|b)$/,
    /^(?:ab)+$/,
    /a\.b/,
    /a.b/,
    /\d/,
    /^\d+$/,
    /^\w+$/,
    /^[\w.]+$/,
    /[^\w]/,
    /^a[\d.]+$/,
    /a[x\-z]b/,
    /a[^x\-z]b/,
    /orders-\d/,
    /^[a-z]{2,3}$/,
    /(^a)/,
    /(?:)/,
  ])('matches the same names as %s', (expression) => {
    const { pattern } = topicPattern(expression);
    expect(pattern).toMatch(/^\^/);
    const matched = names.filter((name) => new RegExp(pattern as string).test(name));
    expect(matched).toEqual(names.filter((name) => expression.test(name)));
  });
});
