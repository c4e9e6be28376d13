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
    const records = paxRecords(h);
    if (records === undefined) {
      const block = this.#take(BLOCK);
      encodeUstar(block, 0, h, TYPE_FLAG[h.type]);
      return block;
    }
    const body = encodeRecords(records);
    const buffer = this.#take(BLOCK + body.length + padding(body.length) + BLOCK);
    encodeUstar(buffer, 0, { ...PAX_MEMBER, size: body.length }, 'x');
    buffer.write(body, BLOCK, 'latin1');
    encodeUstar(buffer, buffer.length - BLOCK, h, TYPE_FLAG[h.type]);
    return buffer;
  }

  #take(size: number): Buffer {
    if (size > SCRATCH_BYTES) return Buffer.alloc(size);
    return this.#scratch.subarray(0, size).fill(0);
  }
}

const PAX_MEMBER: TarHeader = { ...BARE_HEADER, name: '././@PaxHeader' };

/** Records in the order of Python's tar writer, or undefined when every value fits its field. */
function paxRecords(h: TarHeader): Map<string, ByteString> | undefined {
  let records: Map<string, ByteString> | undefined;
  const add = (key: string, value: ByteString) => {
    records ??= new Map();
    records.set(key, value);
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
  return records;
}

function encodeRecords(records: ReadonlyMap<string, ByteString>): ByteString {
  let body = '';
  let binary = false;
  for (const [key, value] of records) {
    binary ||= !isAscii(value) && !isUtf8(value);
    body += encodeRecord(key, value);
  }
  return binary ? `21 hdrcharset=BINARY\n${body}` : body;
}

/** `LENGTH KEY=VALUE\n`, where LENGTH counts itself. */
function encodeRecord(key: string, value: ByteString): ByteString {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

/** Writes one ustar block into a zeroed buffer. Plain octal arithmetic: `toString(8).padStart` costs five times as much. */
function encodeUstar(buffer: Buffer, at: number, h: TarHeader, flag: string): void {
  buffer.write(isAscii(h.name) ? h.name : asciiOnly(h.name), at, 100, 'latin1');
  octal(buffer, at + 100, 7, h.mode);
  octal(buffer, at + 108, 7, h.uid > OCTAL_8 ? 0 : h.uid);
  octal(buffer, at + 116, 7, h.gid > OCTAL_8 ? 0 : h.gid);
  octal(buffer, at + 124, 11, h.size > OCTAL_12 ? 0 : h.size);
  octal(buffer, at + 136, 11, h.mtime > OCTAL_12 || h.mtime < 0 ? 0 : h.mtime);
  buffer[at + 156] = flag.charCodeAt(0);
  if (h.linkName !== '')
    buffer.write(isAscii(h.linkName) ? h.linkName : asciiOnly(h.linkName), at + 157, 100, 'latin1');
  buffer.write('ustar\u000000', at + 257, 'latin1');
  if (h.userName !== '') buffer.write(isAscii(h.userName) ? h.userName : asciiOnly(h.userName), at + 265, 32, 'latin1');
  if (h.groupName !== '')
    buffer.write(isAscii(h.groupName) ? h.groupName : asciiOnly(h.groupName), at + 297, 32, 'latin1');
  if (h.type === 'character-device' || h.type === 'block-device') {
    octal(buffer, at + 329, 7, h.deviceMajor);
    octal(buffer, at + 337, 7, h.deviceMinor);
  }
  buffer.fill(0x20, at + 148, at + 156);
  octal(buffer, at + 148, 6, sumOf(buffer, at));
  buffer[at + 154] = 0;
}

function octal(buffer: Buffer, at: number, digits: number, value: number): void {
  let rest = value;
  for (let i = at + digits - 1; i >= at; i--) {
    const next = Math.floor(rest / 8);
    buffer[i] = 0x30 + (rest - next * 8);
    rest = next;
  }
}

function sumOf(buffer: Uint8Array, at: number): number {
  let sum = 0;
  for (let i = at; i < at + BLOCK; i++) sum += buffer[i] ?? 0;
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
