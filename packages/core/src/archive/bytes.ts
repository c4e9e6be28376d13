/**
 * Names are bytes: inside the engine a path or name is a *byte string*, a JS string with one
 * char (0–255) per byte. It is cheap to compare, slice and hash, and loses nothing of a name
 * that is not valid UTF-8. It becomes text only where a person reads it (see `toText`).
 */

declare const pathBrand: unique symbol;

/** A byte string: every char is one byte. */
export type ByteString = string;

/** A path relative to the root of a backup, components joined by `/`, without leading or trailing `/`; `''` is the root. */
export type Path = ByteString & { readonly [pathBrand]: true };

/** Text, and nothing that is a byte string already: encoding that once more would name another file. */
export type PathText = string & { readonly [pathBrand]?: never };

/** A path as callers name it: text (taken as UTF-8), or an entry of a listing, whatever bytes its name has. */
export type PathOf = PathText | { readonly path: Path };

/** The path of the root itself. */
export const ROOT = '' as Path;

/** Marks a byte string as a path. The caller vouches for its form; what comes from an archive goes through `parsePath`. */
export function asPath(bytes: ByteString): Path {
  return bytes as Path;
}

/** Not the second half of a pair: stands for the byte 0x80 to 0xff in its lower bits, as in Python's file names. */
const ESCAPED_BYTES = /(?<![\ud800-\udbff])[\udc80-\udcff]/g;

/** Text to its byte string: UTF-8, and the bytes that {@link toLosslessText} escaped. */
export function fromText(text: string): ByteString {
  if (isAscii(text)) return text;
  let bytes = '';
  let from = 0;
  for (const { index, 0: char } of text.matchAll(ESCAPED_BYTES)) {
    bytes += Buffer.from(text.slice(from, index), 'utf8').toString('latin1');
    bytes += String.fromCharCode(char.charCodeAt(0) - 0xdc00);
    from = index + 1;
  }
  return bytes + Buffer.from(text.slice(from), 'utf8').toString('latin1');
}

/** The place on disk that a text (of {@link toLosslessText}) names, as `node:fs` takes it. */
export function diskPath(text: string): Buffer {
  return Buffer.from(fromText(text), 'latin1');
}

/** As `toText`, but a byte that is no part of valid UTF-8 becomes a lone surrogate: nothing is lost, and `fromText` undoes it. */
export function toLosslessText(bytes: ByteString): string {
  const text = toText(bytes);
  if (!text.includes('\ufffd')) return text;
  let out = '';
  for (let at = 0; at < bytes.length; ) {
    const length = utf8SequenceLength(bytes, at);
    out += length > 0 ? toText(bytes.slice(at, at + length)) : String.fromCharCode(0xdc00 + bytes.charCodeAt(at));
    at += Math.max(1, length);
  }
  return out;
}

/** A byte string as text for a person: UTF-8 where valid; each byte that isn't part of valid UTF-8 becomes U+FFFD. */
export function toText(bytes: ByteString): string {
  return isAscii(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8');
}

export function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

/**
 * The length in bytes of the valid UTF-8 sequence that starts at `at`, or 0 if there is none
 * (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
 */
export function utf8SequenceLength(bytes: ByteString, at: number): number {
  const b0 = bytes.charCodeAt(at);
  if (b0 < 0x80) return 1;
  if (b0 < 0xc2 || b0 > 0xf4) return 0;
  const b1 = bytes.charCodeAt(at + 1);
  if (b0 < 0xe0) return continues(b1) ? 2 : 0;
  const b2 = bytes.charCodeAt(at + 2);
  if (b0 < 0xf0) {
    const low = b0 === 0xe0 ? 0xa0 : 0x80;
    const high = b0 === 0xed ? 0x9f : 0xbf;
    return b1 >= low && b1 <= high && continues(b2) ? 3 : 0;
  }
  const low = b0 === 0xf0 ? 0x90 : 0x80;
  const high = b0 === 0xf4 ? 0x8f : 0xbf;
  return b1 >= low && b1 <= high && continues(b2) && continues(bytes.charCodeAt(at + 3)) ? 4 : 0;
}

function continues(byte: number): boolean {
  return byte >= 0x80 && byte <= 0xbf; // NaN (past the end) is neither
}

/** True when the bytes are valid UTF-8 as a whole. */
export function isUtf8(bytes: ByteString): boolean {
  for (let i = 0; i < bytes.length; ) {
    const n = utf8SequenceLength(bytes, i);
    if (n === 0) return false;
    i += n;
  }
  return true;
}
