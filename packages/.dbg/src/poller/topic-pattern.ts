/**
 * Turns a RegExp into the pattern librdkafka and the brokers understand: a POSIX extended expression that begins with
 * `^`. Pure. What would mean something else there is refused; topic names have only letters, digits, `.`, `_` and
 * `-`, so little is lost.
 */

/** What JavaScript's expressions have and the others lack, or read otherwise. */
const UNSUPPORTED: readonly (readonly [RegExp, string])[] = [
  [/\(\?(?!:)/, 'look-around and named groups'],
  [/[*+?}]\?/, 'lazy quantifiers'],
  [/\\[1-9]/, 'back references'],
  [/\\[^dw.\-_/]/, 'escapes but \\d, \\w, \\., \\-, \\_ and \\/'],
  [/\[\^?\]|\[:/, 'empty sets, nor sets that begin with a colon'],
  [/\[[^\]]*(\\[dw-]-[^\]]|[^[^\\]-\\[dw-])/, 'ranges with an escape at an end'],
];

const CLASSES: Readonly<Record<string, string>> = { d: '0-9', w: 'A-Za-z0-9_' };

/** The pattern, or what is wrong with the expression. */
export function topicPattern({
  source,
  flags,
}: RegExp): { pattern: string; problem?: undefined } | { pattern?: undefined; problem: string } {
  if (flags !== '') return { problem: `/${source}/${flags}: the client knows no flags` };
  const lacking = UNSUPPORTED.find(([expression]) => expression.test(source));
  if (lacking !== undefined) return { problem: `/${source}/: the client knows no ${lacking[1]}` };
  const pattern = source.replace(
    /\[(\^?)((?:\\.|[^\]\\])*)\]|\(\?:|\\(.)/g,
    (token, negated: string, set: string, escaped: string) => {
      if (set !== undefined) return `[${negated}${setContent(set)}]`;
      if (escaped === undefined) return '(';
      const characters = CLASSES[escaped];
      if (characters !== undefined) return `[${characters}]`;
      return escaped === '.' ? token : escaped;
    },
  );
  return { pattern: pattern.startsWith('^') ? pattern : `^.*(${pattern})` };
}

/** POSIX sets know no escapes: a class is spelled out, and a dash that is meant goes last. */
function setContent(set: string): string {
  const dash = /\\-/.test(set) ? '-' : '';
  return set.replace(/\\(.)/g, (_, escaped: string) => (escaped === '-' ? '' : (CLASSES[escaped] ?? escaped))) + dash;
}
