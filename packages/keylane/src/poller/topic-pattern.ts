/**
 * Turns a RegExp into the pattern librdkafka and the brokers understand: a POSIX extended expression that begins with `^`.
 * Pure.
 */

/** What JavaScript's expressions have and the others lack. */
const UNSUPPORTED: readonly (readonly [RegExp, string])[] = [
  [/\(\?(?!:)/, 'look-around and named groups'],
  [/[*+?}]\?/, 'lazy quantifiers'],
  [/\\[1-9]/, 'back references'],
  [/\\[bBpPuxk]/, 'the escapes \\b, \\p, \\u, \\x and \\k'],
];

const CLASSES: Readonly<Record<string, string>> = { d: '0-9', w: 'A-Za-z0-9_', s: ' \\t' };

/** The pattern, or what is wrong with the expression. */
export function topicPattern({
  source,
  flags,
}: RegExp): { pattern: string; problem?: undefined } | { pattern?: undefined; problem: string } {
  if (flags !== '') return { problem: `/${source}/${flags}: the client knows no flags` };
  const lacking = UNSUPPORTED.find(([expression]) => expression.test(source));
  if (lacking !== undefined) return { problem: `/${source}/: the client knows no ${lacking[1]}` };
  let inSet = false;
  const pattern = source.replace(/\\(.)|\(\?:|[[\]]/g, (token, escaped: string | undefined) => {
    if (token === '(?:') return '(';
    if (token === '[' || token === ']') {
      inSet = token === '[';
      return token;
    }
    const characters = CLASSES[escaped as string];
    if (characters === undefined) return token === '\\/' ? '/' : token;
    return inSet ? characters : `[${characters}]`;
  });
  return { pattern: pattern.startsWith('^') ? pattern : `^.*${pattern}` };
}
