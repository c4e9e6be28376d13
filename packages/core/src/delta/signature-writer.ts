/**
 * Writes the signature file of the running set: a plain tar in the archive directory, in duplicity's partial form.
 * A signature's length is known only once the file has been read, so its header is written again at the end;
 * nothing is kept in memory but one buffer.
 */

import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { BLOCK, HeaderEncoder, padding, type TarHeader } from '../archive/index.js';
import { localError } from '../errors.js';

const BUFFER_BYTES = 1 << 20;
const RECORD_BYTES = 10_240;

export class SignatureWriter {
  #path: string;
  #closed = false;
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(BUFFER_BYTES);
  readonly #headers = new HeaderEncoder();
  #used = 0;
  /** Bytes in the file, without the buffer. */
  #flushed = 0;
  #open: { readonly header: TarHeader; readonly at: number; readonly headerBytes: number; size: number } | undefined;

  /** @throws RedupError when the file cannot be made */
  constructor(path: string) {
    this.#path = path;
    try {
      this.#fd = openSync(path, 'w', 0o600);
    } catch (error) {
      throw localError('write', path, error);
    }
  }

  /** A whole entry. */
  entry(header: TarHeader, content?: Uint8Array): void {
    this.#append(this.#headers.encode(header));
    if (content === undefined || content.length === 0) return;
    this.#append(content);
    this.#appendZeros(padding(content.length));
  }

  /** Starts an entry whose size is not known yet; its size field must be small enough for a plain header. */
  begin(header: TarHeader): void {
    const bytes = this.#headers.encode({ ...header, size: 0 });
    this.#open = { header, at: this.#flushed + this.#used, headerBytes: bytes.length, size: 0 };
    this.#append(bytes);
  }

  append(content: Uint8Array): void {
    if (this.#open === undefined) throw new Error('append before begin');
    this.#open.size += content.length;
    this.#append(content);
  }

  /** @param records replace those of `begin`; they must encode to the same length, or be absent */
  end(header: TarHeader): void {
    const open = this.#open;
    if (open === undefined) throw new Error('end before begin');
    this.#open = undefined;
    this.#appendZeros(padding(open.size));
    const bytes = this.#headers.encode({ ...header, size: open.size });
    if (bytes.length !== open.headerBytes) throw new Error('the final header of a signature has another length');
    const offset = open.at - this.#flushed;
    if (offset >= 0) {
      bytes.copy(this.#buffer, offset);
    } else {
      this.#flush();
      this.#write(bytes, open.at);
    }
  }

  /** Makes what was written so far last: called when a volume is stored. */
  sync(): void {
    this.#flush();
    try {
      fsyncSync(this.#fd);
    } catch (error) {
      throw localError('write', this.#path, error);
    }
  }

  /** Ends the tar as usual: two zero blocks, padded to a record. */
  finish(): void {
    const size = this.#flushed + this.#used + 2 * BLOCK;
    this.#appendZeros(2 * BLOCK + ((RECORD_BYTES - (size % RECORD_BYTES)) % RECORD_BYTES));
    this.sync();
    this.close();
  }

  /** Gives the file its final name; writing goes on. */
  rename(place: string): void {
    try {
      renameSync(this.#path, place);
    } catch (error) {
      throw localError('write', place, error);
    }
    this.#path = place;
  }

  /** May be called again. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
  }

  #appendZeros(count: number): void {
    if (count > 0) this.#append(Buffer.alloc(count));
  }

  #append(bytes: Uint8Array): void {
    if (this.#used + bytes.length > BUFFER_BYTES) this.#flush();
    if (bytes.length > BUFFER_BYTES) {
      this.#write(bytes, this.#flushed);
      this.#flushed += bytes.length;
      return;
    }
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  #flush(): void {
    this.#write(this.#buffer.subarray(0, this.#used), this.#flushed);
    this.#flushed += this.#used;
    this.#used = 0;
  }

  #write(bytes: Uint8Array, position: number): void {
    try {
      for (let done = 0; done < bytes.length; )
        done += writeSync(this.#fd, bytes, done, bytes.length - done, position + done);
    } catch (error) {
      throw localError('write', this.#path, error);
    }
  }
}
