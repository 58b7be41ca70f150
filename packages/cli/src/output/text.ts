/**
 * Bytes and texts of strangers as something a terminal may show: no control characters, no more columns than there are.
 * Pure.
 */
import { isUtf8 } from 'node:buffer';
import stringWidth from 'string-width';

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const HEX_ROW_BYTES = 16;
/** Of a hex dump; the rest is counted. */
const HEX_BYTES_MAX = 4_096;

/** Several lines stay several lines; what a terminal would obey is written as an escape. */
export function printable(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(UNSAFE, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
  });
}

/** All in one line. */
export function oneLine(text: string): string {
  return printable(text.replace(/\s+/g, ' ').trim());
}

/** Whether these bytes are a text. */
export function isText(bytes: Buffer): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a text has none of these
  return isUtf8(bytes) && !/[\u0000-\u0008\u000e-\u001a\u001c-\u001f]/.test(bytes.toString());
}

/** A key or header in one line, in the form that `--key` takes. */
export function bytesLine(bytes: Buffer | null): string {
  if (bytes === null) return '';
  return isText(bytes) ? oneLine(bytes.toString()) : `hex:${bytes.toString('hex')}`;
}

/** Cuts to so many columns; the last one then says so. */
export function cut(text: string, columns: number): string {
  if (stringWidth(text) <= columns) return text;
  let kept = '';
  let width = 0;
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    width += stringWidth(segment);
    if (width > columns - 1) break;
    kept += segment;
  }
  return `${kept}…`;
}

/** The same from the other side: the end stays. */
export function cutStart(text: string, columns: number): string {
  if (stringWidth(text) <= columns) return text;
  let kept = '';
  let width = 0;
  for (const { segment } of [...new Intl.Segmenter().segment(text)].reverse()) {
    width += stringWidth(segment);
    if (width > columns - 1) break;
    kept = segment + kept;
  }
  return `…${kept}`;
}

export function pad(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - stringWidth(text)));
}

/** Offset, bytes and what of them is ASCII, 16 a row. */
export function hexDump(bytes: Buffer): string {
  const rows: string[] = [];
  for (let start = 0; start < Math.min(bytes.length, HEX_BYTES_MAX); start += HEX_ROW_BYTES) {
    const row = bytes.subarray(start, start + HEX_ROW_BYTES);
    const digits = [...row].map((byte) => byte.toString(16).padStart(2, '0'));
    const halves = [digits.slice(0, 8), digits.slice(8)].map((half) => half.join(' ').padEnd(23));
    const ascii = [...row].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
    rows.push(`${start.toString(16).padStart(8, '0')}  ${halves.join('  ')}  ${ascii}`);
  }
  if (bytes.length > HEX_BYTES_MAX) rows.push(`… ${bytes.length - HEX_BYTES_MAX} more bytes`);
  return rows.join('\n');
}

/** `2026-01-31 08:00:00Z`; empty where nobody says. */
export function time(milliseconds: number | undefined): string {
  if (milliseconds === undefined || !(milliseconds >= 0) || milliseconds > 8.64e15) return '';
  return new Date(milliseconds).toISOString().replace('T', ' ').replace(/\.\d+/, '');
}

/** `1 record`, `12,000 records`. */
export function count(amount: number, one: string, many: string = `${one}s`): string {
  return `${amount.toLocaleString('en')} ${amount === 1 ? one : many}`;
}
