/** Tar headers to bytes: exactly what duplicity's tar writer writes, ustar fields, and pax records when a value does not fit. */

import { type ByteString, isAscii, isUtf8, utf8SequenceLength } from './bytes.js';
import { BARE_HEADER, BLOCK, type EntryType, padding, type TarHeader } from './tar.js';

const TYPE_FLAG: Readonly<Record<EntryType, string>> = {
  file: '0',
  symlink: '2',
  'character-device': '3',
  'block-device': '4',
  directory: '5',
  fifo: '6',
};

/** Largest value of an octal field of 8 and of 12 bytes (the last byte is NUL). */
const OCTAL_8 = 0o7777777;
const OCTAL_12 = 0o77777777777;

/** Room for an ordinary header with pax records; longer ones get a buffer of their own. */
const SCRATCH_BYTES = 4 * BLOCK;

/**
 * Encodes headers into one buffer, again and again: a new buffer for each of some hundred thousand headers
 * costs more than filling it, and twice the memory.
 */
export class HeaderEncoder {
  readonly #scratch = Buffer.alloc(SCRATCH_BYTES);

  /** One block, preceded by a pax header where a value needs it. A view, valid until the next call. */
  encode(h: TarHeader): Buffer {
    const records = encodeRecords(h);
    if (records === '') {
      const block = this.#take(BLOCK);
      encodeUstar(block, 0, h, TYPE_FLAG[h.type]);
      return block;
    }
    const buffer = this.#take(BLOCK + records.length + padding(records.length) + BLOCK);
    encodeUstar(buffer, 0, { ...PAX_MEMBER, size: records.length }, 'x');
    buffer.write(records, BLOCK, 'latin1');
    encodeUstar(buffer, buffer.length - BLOCK, h, TYPE_FLAG[h.type]);
    return buffer;
  }

  #take(size: number): Buffer {
    if (size > SCRATCH_BYTES) return Buffer.alloc(size);
    // Buffer's own `fill` examines its arguments for longer than this takes.
    Uint8Array.prototype.fill.call(this.#scratch, 0, 0, size);
    return this.#scratch.subarray(0, size);
  }
}

const PAX_MEMBER: TarHeader = { ...BARE_HEADER, name: '././@PaxHeader' };

/** The body of a pax header, records in the order of Python's tar writer; empty when every value fits its field. */
function encodeRecords(h: TarHeader): ByteString {
  let body = '';
  let binary = false;
  const add = (key: string, value: ByteString) => {
    binary ||= !isAscii(value) && !isUtf8(value);
    body += encodeRecord(key, value);
  };
  if (h.name.length > 100 || !isAscii(h.name)) add('path', h.name);
  if (h.linkName !== '' && (h.linkName.length > 100 || !isAscii(h.linkName))) add('linkpath', h.linkName);
  if (h.userName.length > 32 || !isAscii(h.userName)) add('uname', h.userName);
  if (h.groupName.length > 32 || !isAscii(h.groupName)) add('gname', h.groupName);
  if (h.uid > OCTAL_8) add('uid', String(h.uid));
  if (h.gid > OCTAL_8) add('gid', String(h.gid));
  if (h.size > OCTAL_12) add('size', String(h.size));
  if (h.mtime > OCTAL_12 || h.mtime < 0) add('mtime', String(h.mtime));
  if (h.records !== undefined) for (const [key, value] of h.records) add(key, value);
  return binary ? `21 hdrcharset=BINARY\n${body}` : body;
}

/** `LENGTH KEY=VALUE\n`, where LENGTH counts itself. */
function encodeRecord(key: string, value: ByteString): ByteString {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

/** What `writeText` and `octal` add up to for the fields that are the same in every header: magic, and the checksum as blanks. */
const CONSTANT_SUM = [...'ustar00'].reduce((sum, c) => sum + c.charCodeAt(0), 0) + 8 * 0x20;

/**
 * Writes one ustar block into a zeroed buffer. Bytes are written one by one and added up on the way: calls into native code
 * for each field, octal by `toString(8)` and a second pass for the checksum cost five times as much.
 */
function encodeUstar(buffer: Buffer, at: number, h: TarHeader, flag: string): void {
  let sum = CONSTANT_SUM + flag.charCodeAt(0);
  sum += writeText(buffer, at, h.name, 100);
  sum += octal(buffer, at + 100, 7, h.mode);
  sum += octal(buffer, at + 108, 7, h.uid > OCTAL_8 ? 0 : h.uid);
  sum += octal(buffer, at + 116, 7, h.gid > OCTAL_8 ? 0 : h.gid);
  sum += octal(buffer, at + 124, 11, h.size > OCTAL_12 ? 0 : h.size);
  sum += octal(buffer, at + 136, 11, h.mtime > OCTAL_12 || h.mtime < 0 ? 0 : h.mtime);
  buffer[at + 156] = flag.charCodeAt(0);
  sum += writeText(buffer, at + 157, h.linkName, 100);
  writeText(buffer, at + 257, 'ustar', 5);
  buffer[at + 263] = 0x30;
  buffer[at + 264] = 0x30;
  sum += writeText(buffer, at + 265, h.userName, 32);
  sum += writeText(buffer, at + 297, h.groupName, 32);
  if (h.type === 'character-device' || h.type === 'block-device') {
    sum += octal(buffer, at + 329, 7, h.deviceMajor);
    sum += octal(buffer, at + 337, 7, h.deviceMinor);
  }
  octal(buffer, at + 148, 6, sum);
  buffer[at + 155] = 0x20;
}

/** Up to `room` characters, ASCII alone: a pax record holds the others. @returns the sum of the bytes written */
function writeText(buffer: Buffer, at: number, text: ByteString, room: number): number {
  const length = Math.min(text.length, room);
  let sum = 0;
  for (let i = 0; i < length; i++) {
    const c = text.charCodeAt(i);
    if (c > 0x7f) return writeText(buffer, at, asciiOnly(text), room);
    buffer[at + i] = c;
    sum += c;
  }
  return sum;
}

/** @returns the sum of the bytes written */
function octal(buffer: Buffer, at: number, digits: number, value: number): number {
  let rest = value;
  let sum = 0;
  for (let i = at + digits - 1; i >= at; i--) {
    const next = rest > 0x7fffffff ? Math.floor(rest / 8) : rest >>> 3;
    const digit = 0x30 + (rest - next * 8);
    buffer[i] = digit;
    sum += digit;
    rest = next;
  }
  return sum;
}

/** Every character (or byte that belongs to none) outside ASCII becomes one `?`, as in duplicity's ustar fields. */
function asciiOnly(bytes: ByteString): string {
  let out = '';
  for (let i = 0; i < bytes.length; ) {
    const n = utf8SequenceLength(bytes, i);
    out += n === 1 ? bytes[i] : '?';
    i += n || 1;
  }
  return out;
}
