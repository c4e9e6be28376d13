/** Files, descriptors and terminals that are written to at once: what was said before a crash is there after it. */

import { openSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { UsageError } from '../arguments/usage-error.js';
import type { Sink } from './log.js';

export class FdSink implements Sink {
  readonly isTerminal: boolean;
  readonly #fd: number;
  #broken = false;

  constructor(fd: number) {
    this.#fd = fd;
    this.isTerminal = isatty(fd);
  }

  /** Nobody reads any more: the other end of the pipe was closed. Writing does nothing then. */
  get isBroken(): boolean {
    return this.#broken;
  }

  write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length && !this.#broken; ) {
      try {
        done += writeSync(this.#fd, bytes, done);
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? error.code : undefined;
        // A pipe that somebody else made non-blocking is full: wait for the reader.
        if (code === 'EAGAIN') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
        // A closed pipe, a log on a full disk or a terminal that went away must not end a backup.
        else this.#broken = true;
      }
    }
  }
}

/** @throws UsageError for a descriptor that isn't open */
export function logFd(fd: number): Sink {
  try {
    writeSync(fd, Buffer.alloc(0));
  } catch {
    throw new UsageError(`--log-fd ${fd}: this file descriptor is not open for writing`);
  }
  return new FdSink(fd);
}

/** @throws UsageError for a file that can't be opened */
export function logFile(path: string): Sink {
  try {
    return new FdSink(openSync(path, 'a'));
  } catch (error) {
    const reason =
      error instanceof Error ? error.message.replace(/^\w+: /, '').replace(/, open .*$/, '') : String(error);
    throw new UsageError(`--log-file ${path}: ${reason}`);
  }
}
