/** The locks of a command that changes something: of the archive directory here, and of the target. */

import { acquireLock, acquireTargetLock } from '../cache/index.js';
import type { Workspace } from './workspace.js';

export interface Locks {
  /** Before each thing that is stored; costs a look at a file. @throws RedupError LOCKED */
  verifyHere(): void;
  /** Before what counts: both. @throws RedupError LOCKED; StorageError */
  verify(): Promise<void>;
}

export interface LocksOptions {
  /** Whether something is changed in the target, or only here. */
  readonly scope: 'target' | 'here';
  readonly signal?: AbortSignal;
}

/** @throws RedupError LOCKED before anything is done */
export async function withLocks<T>(
  workspace: Workspace,
  { scope, signal }: LocksOptions,
  use: (locks: Locks) => Promise<T>,
): Promise<T> {
  const { directory, storage, clock, prefixes, options } = workspace;
  const onForce = (holder: string) =>
    workspace.notice(`Took the lock of ${holder}, as --force-unlock asks; if that still runs, it will stop`);
  const force = options.forceUnlock === true ? { onForce } : {};
  directory.create();
  const here = acquireLock(directory.path, force);
  try {
    const there =
      scope === 'here'
        ? undefined
        : await acquireTargetLock(storage, {
            prefix: prefixes.all ?? '',
            now: () => clock.now(),
            ...force,
            ...(signal === undefined ? {} : { signal }),
          });
    try {
      return await use({
        verifyHere: () => here.verify(),
        verify: async () => {
          here.verify();
          await there?.verify();
        },
      });
    } finally {
      await there?.release();
    }
  } finally {
    here.release();
  }
}
