/**
 * Text that may hold bytes which are no text. A name that isn't UTF-8 keeps its bytes as lone surrogates U+DC80 to U+DCFF,
 * as Python does it: such a text prints as the very bytes, and can be escaped for eyes and for terminals.
 */

import { type ByteString, fromText, toLosslessText } from '../engine.js';

/** A byte string as text that loses nothing. */
export const textOf: (bytes: ByteString) => string = toLosslessText;

/** The bytes to write for a text of `textOf`. */
export function bytesOf(text: string): Buffer {
  return Buffer.from(fromText(text), 'latin1');
}

/**
 * What could move the cursor, change colours, hide or reverse text: C0 and C1 controls, lone surrogates, line separators,
 * and the marks that change the direction of writing.
 */
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal
  /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|(?<![\ud800-\udbff])[\udc00-\udfff]|[\ud800-\udbff](?![\udc00-\udfff])/g;

/** One line that a terminal shows as it is, whatever a file name holds. */
export function printable(text: string): string {
  return text.replace(UNSAFE, escapeChar);
}

/** In single quotes with Python's escapes, as duplicity's log has paths: all that isn't printable ASCII is escaped. */
export function quoted(text: string): string {
  const escaped = text.replace(/[^ !-&(-[\]-~]/gu, (char) =>
    char === '\\' ? '\\\\' : char === "'" ? '\\x27' : escapeChar(char),
  );
  return `'${escaped}'`;
}

const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function escapeChar(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  const named = NAMED[char];
  if (named !== undefined) return named;
  if (code <= 0xff) return `\\x${hex(code, 2)}`;
  return code <= 0xffff ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}

const ELLIPSIS = '…';

/** Columns on a terminal, rather too many than too few: everything from Hangul upwards counts as wide. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const char of text) columns += char !== ELLIPSIS && (char.codePointAt(0) ?? 0) >= 0x1100 ? 2 : 1;
  return columns;
}

/** Shortened in front, because the end of a path tells more. */
export function endOf(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text;
  const chars = [...text];
  let kept = '';
  for (let char = chars.pop(); char !== undefined && columnsOf(char + kept) < columns; char = chars.pop())
    kept = char + kept;
  return columns < 1 ? '' : ELLIPSIS + kept;
}
