/**
 * Text that may hold bytes which are no text. A name that isn't UTF-8 keeps its bytes as lone surrogates U+DC80 to U+DCFF,
 * as Python does it: such a text prints as the very bytes, and can be escaped for eyes and for terminals.
 */

import { type ByteString, fromText, toText } from '../engine.js';

/** A byte string as text that loses nothing. */
export function textOf(bytes: ByteString): string {
  const text = toText(bytes);
  if (!text.includes('\ufffd') || fromText(text) === bytes) return text;
  let out = '';
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at);
    out +=
      length > 0
        ? Buffer.from(bytes.slice(at, at + length), 'latin1').toString('utf8')
        : String.fromCharCode(0xdc00 + bytes.charCodeAt(at));
    at += Math.max(1, length);
  }
  return out;
}

/** Length of the valid UTF-8 sequence at `at`, or 0. */
function sequenceLength(bytes: ByteString, at: number): number {
  const first = bytes.charCodeAt(at);
  const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length === 0) return 0;
  const piece = bytes.slice(at, at + length);
  return Buffer.from(piece, 'latin1').toString('utf8').includes('\ufffd') && piece !== '\xef\xbf\xbd' ? 0 : length;
}

const ESCAPED_BYTE = /[\udc80-\udcff]/;
const LONE = /(?<![\ud800-\udbff])[\udc80-\udcff]/g;

/** The bytes to write for a text of `textOf`. */
export function bytesOf(text: string): Buffer {
  if (!ESCAPED_BYTE.test(text)) return Buffer.from(text, 'utf8');
  const parts: Buffer[] = [];
  let from = 0;
  for (const { index, 0: char } of text.matchAll(LONE)) {
    parts.push(Buffer.from(text.slice(from, index), 'utf8'), Buffer.from([char.charCodeAt(0) - 0xdc00]));
    from = index + 1;
  }
  return Buffer.concat([...parts, Buffer.from(text.slice(from), 'utf8')]);
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
