/** Bytes to tar headers: ustar, pax, GNU `L`/`K` and base-256 numbers; anything else is refused by name. */

import { RedupError } from '../errors.js';
import type { ByteString } from './bytes.js';
import { BLOCK, type EntryType, padding, type TarHeader } from './tar.js';

/** What `TarScanner.next` found. `data` is a view into what was fed, valid until the next call of `feed`. */
export type TarItem =
  | { readonly kind: 'member'; readonly header: TarHeader }
  | { readonly kind: 'data'; readonly bytes: Uint8Array }
  | { readonly kind: 'end' };

/** Pax and GNU long-name bodies above this are not honest: names end at some thousand bytes. */
const MAX_META_BYTES = 1 << 20;

/**
 * Takes a tar apart synchronously: `feed` a piece, call `next` until it returns undefined, feed again;
 * after the last piece call `finish`. Everything after the first zero block is ignored: duplicity's encrypted
 * volumes may continue with padding that is not tar.
 */
export class TarScanner {
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;
  /** A header block that straddles two pieces. */
  readonly #partial = Buffer.alloc(BLOCK);
  #partialBytes = 0;
  #dataLeft = 0;
  #padLeft = 0;
  #ended = false;
  #terminated = false;
  #meta: { readonly flag: string; readonly bytes: Buffer; filled: number } | undefined;
  #records: Map<string, ByteString> | undefined;
  readonly #global = new Map<string, ByteString>();
  #longName: ByteString | undefined;
  #longLink: ByteString | undefined;
  #position = 0;

  /** The next piece; the one before must have been used up. */
  feed(chunk: Uint8Array): void {
    this.#chunk = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    this.#at = 0;
  }

  /** Whether the zero block that ends an archive was seen. */
  get terminated(): boolean {
    return this.#terminated;
  }

  /** Bytes of the current member's content not yet delivered. */
  get dataLeft(): number {
    return this.#dataLeft;
  }

  /**
   * The next item, or undefined when more bytes are needed. An item of kind `data` is never empty.
   * @throws RedupError ARCHIVE_INVALID
   */
  next(): TarItem | undefined {
    for (;;) {
      if (this.#ended) return { kind: 'end' };
      if (this.#meta !== undefined) {
        if (!this.#fillMeta(this.#meta)) return undefined;
      } else if (this.#dataLeft > 0) {
        return this.#data();
      } else if (this.#padLeft > 0) {
        if (!this.#skipPadding()) return undefined;
      } else {
        const block = this.#block();
        if (block === undefined) return undefined;
        const header = this.#header(block.buffer, block.at);
        if (header !== undefined) return { kind: 'member', header };
      }
    }
  }

  /** Drops up to all of the current member's content from the piece at hand; returns true when it is used up. */
  skipData(): boolean {
    const take = Math.min(this.#dataLeft, this.#chunk.length - this.#at);
    this.#at += take;
    this.#dataLeft -= take;
    this.#position += take;
    return this.#dataLeft === 0;
  }

  /** To be called when the stream has ended. @throws RedupError ARCHIVE_INVALID if it ended inside a member */
  finish(): void {
    if (this.#ended) return;
    const prepared = this.#longName !== undefined || this.#longLink !== undefined || this.#records !== undefined;
    if (this.#dataLeft > 0 || this.#meta !== undefined || this.#partialBytes > 0 || prepared) {
      throw this.#invalid('it ends in the middle of an entry');
    }
    this.#ended = true;
  }

  #data(): TarItem | undefined {
    const available = this.#chunk.length - this.#at;
    if (available === 0) return undefined;
    const take = Math.min(this.#dataLeft, available);
    const bytes = this.#chunk.subarray(this.#at, this.#at + take);
    this.#at += take;
    this.#dataLeft -= take;
    this.#position += take;
    return { kind: 'data', bytes };
  }

  #skipPadding(): boolean {
    const take = Math.min(this.#padLeft, this.#chunk.length - this.#at);
    this.#at += take;
    this.#padLeft -= take;
    this.#position += take;
    return this.#padLeft === 0;
  }

  #block(): { buffer: Buffer; at: number } | undefined {
    const available = this.#chunk.length - this.#at;
    if (this.#partialBytes === 0 && available >= BLOCK) {
      const at = this.#at;
      this.#at += BLOCK;
      this.#position += BLOCK;
      return { buffer: this.#chunk, at };
    }
    const take = Math.min(BLOCK - this.#partialBytes, available);
    this.#partial.set(this.#chunk.subarray(this.#at, this.#at + take), this.#partialBytes);
    this.#partialBytes += take;
    this.#at += take;
    this.#position += take;
    if (this.#partialBytes < BLOCK) return undefined;
    this.#partialBytes = 0;
    return { buffer: this.#partial, at: 0 };
  }

  #fillMeta(meta: { readonly flag: string; readonly bytes: Buffer; filled: number }): boolean {
    const take = Math.min(meta.bytes.length - meta.filled, this.#chunk.length - this.#at);
    meta.bytes.set(this.#chunk.subarray(this.#at, this.#at + take), meta.filled);
    meta.filled += take;
    this.#at += take;
    this.#position += take;
    if (meta.filled < meta.bytes.length) return false;
    this.#meta = undefined;
    const text = meta.bytes.toString('latin1');
    if (meta.flag === 'L') this.#longName = untilNul(text);
    else if (meta.flag === 'K') this.#longLink = untilNul(text);
    else if (meta.flag === 'g') for (const [key, value] of this.#parseRecords(text)) this.#global.set(key, value);
    else this.#records = this.#parseRecords(text);
    return true;
  }

  #parseRecords(text: ByteString): Map<string, ByteString> {
    const records = new Map<string, ByteString>();
    for (let at = 0; at < text.length && text.charCodeAt(at) !== 0; ) {
      const space = text.indexOf(' ', at);
      const length = space < 0 ? Number.NaN : Number(text.slice(at, space));
      const equals = text.indexOf('=', space);
      const end = at + length;
      if (!Number.isSafeInteger(length) || equals < 0 || equals >= end || end > text.length || text[end - 1] !== '\n') {
        throw this.#invalid('it has a malformed extended header');
      }
      records.set(text.slice(space + 1, equals), text.slice(equals + 1, end - 1));
      at = end;
    }
    return records;
  }

  /** Undefined when the block was not a member's header but prepared the next one (or ended the archive). */
  #header(b: Buffer, at: number): TarHeader | undefined {
    const stored = readOctal(b, at + 148, 8);
    if (stored === undefined || !checksumHolds(b, at, stored)) {
      if (isZeroBlock(b, at)) {
        this.#ended = true;
        this.#terminated = true;
        return undefined;
      }
      throw this.#invalid('an entry header has a wrong checksum');
    }
    const size = this.#number(b, at + 124, 12, 'size');
    const flag = String.fromCharCode(b[at + 156] ?? 0);
    if (flag === 'x' || flag === 'g' || flag === 'L' || flag === 'K') {
      if (size > MAX_META_BYTES) throw this.#invalid(`an extended header claims ${size} bytes`);
      this.#meta = { flag, bytes: Buffer.alloc(size), filled: 0 };
      this.#padLeft = padding(size);
      return undefined;
    }
    const header = this.#member(b, at, flag, size);
    this.#dataLeft = header.size;
    this.#padLeft = padding(header.size);
    this.#records = undefined;
    this.#longName = undefined;
    this.#longLink = undefined;
    return header;
  }

  #member(b: Buffer, at: number, flag: string, size: number): TarHeader {
    let name = this.#longName ?? readText(b, at, 100);
    // The prefix field is ustar's only: old GNU headers keep other things there.
    const ustar = b[at + 257] === 0x75 && b[at + 262] === 0;
    if (ustar && this.#longName === undefined && b[at + 345] !== 0) name = `${readText(b, at + 345, 155)}/${name}`;
    const type = typeOf(flag, name);
    if (type === undefined) throw this.#invalid(`the entry has the type "${flag}", which no backup holds`);
    const device = type === 'character-device' || type === 'block-device';
    const base = {
      name,
      type,
      mode: this.#number(b, at + 100, 8, 'mode') & 0o7777,
      uid: this.#number(b, at + 108, 8, 'uid'),
      gid: this.#number(b, at + 116, 8, 'gid'),
      userName: ustar || b[at + 257] === 0x75 ? readText(b, at + 265, 32) : '',
      groupName: ustar || b[at + 257] === 0x75 ? readText(b, at + 297, 32) : '',
      // Anything but a file has no content, whatever its header says.
      size: type === 'file' ? size : 0,
      mtime: this.#number(b, at + 136, 12, 'mtime'),
      linkName: this.#longLink ?? (type === 'symlink' ? readText(b, at + 157, 100) : ''),
      deviceMajor: device ? this.#number(b, at + 329, 8, 'device number') : 0,
      deviceMinor: device ? this.#number(b, at + 337, 8, 'device number') : 0,
    };
    if (this.#records === undefined && this.#global.size === 0) return base;
    return this.#withRecords(base, new Map([...this.#global, ...(this.#records ?? [])]));
  }

  #withRecords(base: TarHeader, records: Map<string, ByteString>): TarHeader {
    const take = (key: string) => {
      const value = records.get(key);
      records.delete(key);
      return value;
    };
    const takeNumber = (key: string) => {
      const value = take(key);
      if (value === undefined) return undefined;
      const number = Number(value);
      if (!/^-?\d+(\.\d*)?$/.test(value) || Math.abs(number) > Number.MAX_SAFE_INTEGER) {
        throw this.#invalid(`its extended header has a bad ${key}`);
      }
      return Math.floor(number);
    };
    const takeId = (key: string) => {
      const id = takeNumber(key);
      // chown takes -1 as "leave it": no archive means that.
      if (id !== undefined && id < 0) throw this.#invalid(`its extended header has a bad ${key}`);
      return id;
    };
    records.delete('hdrcharset');
    const name = take('path') ?? base.name;
    const size = takeNumber('size') ?? base.size;
    if (size < 0) throw this.#invalid('an entry has a negative size');
    return {
      name,
      type: base.type,
      mode: base.mode,
      uid: takeId('uid') ?? base.uid,
      gid: takeId('gid') ?? base.gid,
      userName: take('uname') ?? base.userName,
      groupName: take('gname') ?? base.groupName,
      size: base.type === 'file' ? size : 0,
      mtime: takeNumber('mtime') ?? base.mtime,
      linkName: take('linkpath') ?? base.linkName,
      deviceMajor: base.deviceMajor,
      deviceMinor: base.deviceMinor,
      records,
    };
  }

  #number(b: Uint8Array, at: number, length: number, what: string): number {
    const value = (b[at] ?? 0) & 0x80 ? readBase256(b, at, length) : readOctal(b, at, length);
    if (value === undefined || !Number.isSafeInteger(value) || (value < 0 && what !== 'mtime')) {
      throw this.#invalid(`an entry header has a bad ${what}`);
    }
    return value;
  }

  #invalid(what: string): RedupError {
    return new RedupError('ARCHIVE_INVALID', `The tar data is damaged near byte ${this.#position}: ${what}`);
  }
}

function typeOf(flag: string, name: string): EntryType | undefined {
  switch (flag) {
    case '0':
    case '\0':
    case '7':
      return flag !== '0' && name.endsWith('/') ? 'directory' : 'file';
    case '2':
      return 'symlink';
    case '3':
      return 'character-device';
    case '4':
      return 'block-device';
    case '5':
      return 'directory';
    case '6':
      return 'fifo';
    default:
      return undefined;
  }
}

function readText(b: Buffer, at: number, length: number): ByteString {
  if (b[at] === 0) return '';
  let end = at;
  while (end < at + length && b[end] !== 0) end++;
  return b.toString('latin1', at, end);
}

function readOctal(b: Uint8Array, at: number, length: number): number | undefined {
  let value = 0;
  let digits = 0;
  for (let i = at; i < at + length; i++) {
    const c = b[i] ?? 0;
    if (c >= 0x30 && c <= 0x37) {
      value = value * 8 + (c - 0x30);
      digits++;
    } else if (c === 0x20 || c === 0) {
      if (digits > 0) break;
    } else return undefined;
  }
  return value;
}

/** GNU base-256: two's complement, the top bit of the first byte marks the form. */
function readBase256(b: Uint8Array, at: number, length: number): number {
  const negative = b[at] === 0xff;
  let value = negative ? -1 : 0;
  for (let i = at + 1; i < at + length; i++) value = value * 256 + (b[i] ?? 0);
  return value;
}

/** The checksum counts its own field as blanks; very old writers summed signed chars. */
function checksumHolds(b: Uint8Array, at: number, stored: number): boolean {
  let unsigned = 0;
  let high = 0;
  for (let i = at; i < at + BLOCK; i++) {
    const c = b[i] ?? 0;
    unsigned += c;
    if (c > 0x7f) high++;
  }
  for (let i = at + 148; i < at + 156; i++) unsigned += 0x20 - (b[i] ?? 0);
  return stored === unsigned || stored === unsigned - 256 * high;
}

function isZeroBlock(b: Uint8Array, at: number): boolean {
  for (let i = at; i < at + BLOCK; i++) if (b[i] !== 0) return false;
  return true;
}

function untilNul(text: ByteString): ByteString {
  const nul = text.indexOf('\0');
  return nul < 0 ? text : text.slice(0, nul);
}
