/**
 * The few file-system calls that file storage needs, as an interface: so that tests can let each of them
 * fail, and can let the power fail between any two of them (`power-loss.ts`). Paths are bytes.
 */

import type { Stats } from 'node:fs';
import { statSync } from 'node:fs';
import { link, mkdir, open, readdir, rename, rmdir, stat, unlink } from 'node:fs/promises';

/** A path as bytes, or as text. */
export type Path = Buffer | string;

export interface FileFacts {
  readonly kind: 'file' | 'directory' | 'other';
  readonly size: number;
  readonly modified: Date;
}

export interface DirectoryEntry extends FileFacts {
  /** Byte string. */
  readonly name: string;
}

export interface OpenFile {
  facts(): Promise<FileFacts>;
  /** Up to `buffer.length` bytes from `position`; 0 at the end. */
  read(buffer: Uint8Array, position: number): Promise<number>;
  /** All of `bytes`, at `position`. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Returns when the contents survive a power cut (fsync). */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Errors are those of `node:fs`, with `code` as in errno(3). */
export interface FileSystem {
  /** `create`: for writing, fails with EEXIST when it exists. */
  open(path: Path, how: 'read' | 'create'): Promise<OpenFile>;
  /** Follows symbolic links. Undefined when there is nothing. */
  facts(path: Path): Promise<FileFacts | undefined>;
  list(directory: Path): AsyncIterable<DirectoryEntry>;
  link(from: Path, to: Path): Promise<void>;
  rename(from: Path, to: Path): Promise<void>;
  unlink(path: Path): Promise<void>;
  makeDirectory(path: Path, mode: number): Promise<void>;
  removeDirectory(path: Path): Promise<void>;
  /** Returns when the names in this folder survive a power cut. */
  syncDirectory(path: Path): Promise<void>;
}

/** The machine's own file system. */
export const nodeFileSystem: FileSystem = {
  open: openFile,
  async facts(path) {
    try {
      return factsOf(await stat(path));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  },
  list: listDirectory,
  link,
  rename,
  unlink,
  async makeDirectory(path, mode) {
    await mkdir(path, { mode });
  },
  removeDirectory: rmdir,
  async syncDirectory(path) {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } catch (error) {
      // Some network file systems can't sync a folder (EINVAL) and don't need to: the server orders its metadata.
      if (!hasCode(error, 'EINVAL', 'ENOTSUP', 'EBADF')) throw error;
    } finally {
      await handle.close();
    }
  },
};

async function openFile(path: Path, how: 'read' | 'create'): Promise<OpenFile> {
  const handle = await open(path, how === 'read' ? 'r' : 'wx');
  return {
    facts: async () => factsOf(await handle.stat()),
    read: async (buffer, position) => (await handle.read(buffer, 0, buffer.length, position)).bytesRead,
    async write(bytes, position) {
      for (let done = 0; done < bytes.length; ) {
        done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
      }
    },
    sync: () => handle.sync(),
    close: () => handle.close(),
  };
}

/** `stat` is synchronous here: a promise costs more than the call (PERFORMANCE.md), and targets hold many files. */
async function* listDirectory(directory: Path): AsyncIterable<DirectoryEntry> {
  const base = Buffer.concat([Buffer.from(directory), Buffer.from('/')]);
  for (const name of await readdir(directory, { encoding: 'latin1' })) {
    const path = Buffer.concat([base, Buffer.from(name, 'latin1')]);
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats) yield { name, ...factsOf(stats) };
  }
}

function factsOf(stats: Stats): FileFacts {
  const kind = stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other';
  return { kind, size: stats.size, modified: stats.mtime };
}

export function isMissing(error: unknown): boolean {
  return hasCode(error, 'ENOENT');
}

export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return (
    error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.some((c) => c === error.code)
  );
}
