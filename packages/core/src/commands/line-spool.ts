/** Lines that can be as many as the tree has entries, and so wait in a temporary file until the manifest is written. */

import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { localError } from '../errors.js';

const COPY_BYTES = 262_144;
const FLUSH_CHARS = 1 << 16;

export class LineSpool {
  readonly #path: string;
  #fd: number | undefined;
  #pending = '';
  count = 0;

  constructor(path: string) {
    this.#path = path;
  }

  add(line: string): void {
    this.count++;
    this.#pending += line;
    if (this.#pending.length >= FLUSH_CHARS) this.#flush();
  }

  copyTo(fd: number): void {
    this.#flush();
    if (this.#fd === undefined) return;
    const buffer = Buffer.alloc(COPY_BYTES);
    let position = 0;
    for (
      let n = readSync(this.#fd, buffer, 0, COPY_BYTES, 0);
      n > 0;
      n = readSync(this.#fd, buffer, 0, COPY_BYTES, position)
    ) {
      writeSync(fd, buffer, 0, n);
      position += n;
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #flush(): void {
    if (this.#pending === '') return;
    try {
      this.#fd ??= openSync(this.#path, 'w+', 0o600);
      writeSync(this.#fd, Buffer.from(this.#pending, 'latin1'));
    } catch (error) {
      throw localError('write the temporary file', this.#path, error);
    }
    this.#pending = '';
  }
}
