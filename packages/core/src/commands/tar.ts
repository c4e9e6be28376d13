/**
 * A time, whole or one path of it, as a tar that every tar program reads. Written by the engine's own codec, because names
 * are bytes (docs/decisions/0001-own-tar-codec.md).
 */

import { BLOCK, HeaderEncoder, type PathOf, padding, ROOT } from '../archive/index.js';
import { readEntries } from './read-entries.js';
import type { ReadOptions } from './read-file.js';
import { wantedPath } from './restore.js';
import type { Workspace } from './workspace.js';

export interface TarOptions extends ReadOptions {
  /** Only this path and what is below it; names in the tar stay relative to the source. */
  readonly path?: PathOf;
}

/** Headers are collected to pieces that are worth handing over. */
const PIECE_BYTES = 65_536;

/**
 * A tar says how long a file is before its content, and an archive doesn't: what is longer than 4 MiB waits in a
 * temporary file, one at a time.
 * @throws RedupError whatever `readEntries` throws
 */
export async function* tar(workspace: Workspace, options: TarOptions): AsyncGenerator<Buffer, void, undefined> {
  const { time, path, signal } = options;
  const headers = new HeaderEncoder();
  const ready = new Collected();
  const entries = readEntries(workspace, { time, path: wantedPath(path), ...(signal === undefined ? {} : { signal }) });
  for await (const { path: found, entry, group, content } of entries) {
    const { records: _, ...plain } = entry.header;
    const isDirectory = plain.type === 'directory';
    const name = found === ROOT ? './' : isDirectory ? `${found}/` : found;
    if (plain.type !== 'file') {
      ready.add(headers.encode({ ...plain, name, size: 0 }));
    } else {
      const spooled = await content.spool(group);
      const { size } = spooled;
      ready.add(headers.encode({ ...plain, name, size }));
      for (const piece of spooled.pieces()) {
        ready.add(piece);
        if (ready.size >= PIECE_BYTES) yield ready.take();
      }
      ready.add(Buffer.alloc(padding(size)));
    }
    if (ready.size >= PIECE_BYTES) yield ready.take();
  }
  ready.add(Buffer.alloc(2 * BLOCK));
  yield ready.take();
}

class Collected {
  #parts: Buffer[] = [];
  size = 0;

  /** @param bytes may change after the call */
  add(bytes: Buffer): void {
    this.#parts.push(Buffer.from(bytes));
    this.size += bytes.length;
  }

  take(): Buffer {
    const taken = Buffer.concat(this.#parts, this.size);
    this.#parts = [];
    this.size = 0;
    return taken;
  }
}
