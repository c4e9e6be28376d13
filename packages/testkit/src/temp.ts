/** Scratch directories that go away by themselves. */

import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { removeTree } from './disk.js';

const made = new Set<string>();

process.on('exit', removeAll);
await removeAfterTestFile();

/**
 * A fresh private directory, removed at the end of the process or, in vitest, of the test file. In loops that make much
 * data, such as property-based tests, use `withTempDir`.
 *
 * @param prefix - says in a directory listing whose it is; `redup-` is put before it
 */
export function tempDir(prefix = 'test'): string {
  const directory = fs.mkdtempSync(path.join(shortTmp(), `redup-${prefix}-`));
  made.add(directory);
  return directory;
}

/** A fresh private directory for the time that `use` runs. */
export async function withTempDir<T>(prefix: string, use: (directory: string) => Promise<T> | T): Promise<T> {
  const directory = tempDir(prefix);
  try {
    return await use(directory);
  } finally {
    removeTempDir(directory);
  }
}

/** Removes a directory of `tempDir` before its time. */
export function removeTempDir(directory: string): void {
  removeTree(directory);
  made.delete(directory);
}

/** vitest ends its workers by a signal, so that nothing happens at their exit. */
async function removeAfterTestFile(): Promise<void> {
  if (process.env['VITEST_WORKER_ID'] === undefined) return;
  try {
    const { afterAll } = await import('vitest');
    afterAll(removeAll);
  } catch {
    // A program that a test started has the variable as well, but isn't a test file: the exit does it.
  }
}

function removeAll(): void {
  for (const directory of made) {
    // Something may still be mounted or written there; at the exit nobody is left to be told.
    try {
      removeTree(directory);
    } catch {}
  }
}

/** gpg-agent's socket must fit into 107 bytes, so a long TMPDIR can't be used. */
function shortTmp(): string {
  const directory = tmpdir();
  return directory.length > 40 ? '/tmp' : directory;
}
