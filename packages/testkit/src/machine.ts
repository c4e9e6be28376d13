/** What a test needs of the machine: cold caches, a full disk, the peak memory of a program. Linux. */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import type { SkipContext } from './peers.js';
import { cleanEnv, type RunOptions, type RunResult, run } from './process.js';
import { tempDir, withTempDir } from './temp.js';
import { isRoot } from './tree.js';

export interface Measured extends RunResult {
  /** Largest resident size of the program or, if one was larger, of a child that it waited for. Bytes. */
  readonly peakBytes: number;
  readonly seconds: number;
  /** Of the program and of all children that it waited for, in user mode and in the kernel. */
  readonly cpuSeconds: number;
}

/** Runs a program under GNU time; `requirePeer(context, 'time')` first. */
export async function peakRss(
  command: string,
  args: readonly string[] = [],
  options: RunOptions = {},
): Promise<Measured> {
  return withTempDir('rss', async (directory) => {
    const report = path.join(directory, 'report');
    const result = await run('/usr/bin/time', ['-f', 'measured %M %e %U %S', '-o', report, command, ...args], options);
    const pattern = /^measured (\d+) ([\d.]+) ([\d.]+) ([\d.]+)$/m;
    const [, kibibytes, seconds, user, kernel] = pattern.exec(fs.readFileSync(report, 'utf8')) ?? [];
    if (kibibytes === undefined) throw new Error(`time measured nothing\n${result.stderr}`);
    return {
      ...result,
      peakBytes: Number(kibibytes) * 1024,
      seconds: Number(seconds),
      cpuSeconds: Number(user) + Number(kernel),
    };
  });
}

/** Writes everything back and empties the page cache, so that the next run reads from the disk. Root only. */
export function dropCaches(): void {
  spawnSync('sync');
  fs.writeFileSync('/proc/sys/vm/drop_caches', '3');
}

/** Goes on as root only; elsewhere the test is skipped, with CI=true it fails. */
export function requireRoot(context: SkipContext, what: string): void {
  if (!isRoot()) giveUp(context, `needs root: ${what}`);
}

/**
 * A file system of `bytes` (rounded up to pages) for the time that `use` runs: a disk that gets full. Skips as
 * `requireRoot` does where nothing may be mounted.
 */
export async function withSmallDisk<T>(
  context: SkipContext,
  bytes: number,
  use: (directory: string) => Promise<T> | T,
): Promise<T> {
  requireRoot(context, 'mounts a tmpfs');
  const directory = tempDir('disk');
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=700`, 'tmpfs', directory]);
  if (mounted.status !== 0) giveUp(context, `needs to mount a tmpfs: ${mounted.stderr.toString().trim()}`);
  try {
    return await use(directory);
  } finally {
    // Lazily: a program that was just killed may still have a file open there.
    spawnSync('umount', ['--lazy', directory]);
  }
}

/** Runs a program as the user `nobody`, whom modes keep out. Root only. */
export async function runAsNobody(
  command: string,
  args: readonly string[] = [],
  options: RunOptions = {},
): Promise<RunResult> {
  const identity = ['--reuid=65534', '--regid=65534', '--clear-groups'];
  return run('setpriv', [...identity, command, ...args], { env: cleanEnv({ HOME: '/nonexistent' }), ...options });
}

/**
 * Skips a test for a reason that no CI can take away. All other skips are failures there (`.ci/run` counts them).
 */
export function skipForGood(context: SkipContext, reason: string): never {
  if (context.task !== undefined) Object.assign(context.task.meta, { skippedForGood: reason });
  context.skip(reason);
  throw new Error(reason);
}

function giveUp(context: SkipContext, reason: string): never {
  if (process.env['CI'] === 'true') throw new Error(reason);
  context.skip(reason);
  throw new Error(reason);
}
