/** What lies on a disk, as a plain value, and how two such values differ. */

import { createHash } from 'node:crypto';
import fs from 'node:fs';

import { comparePaths, fromBytes, joinPath, printable } from './bytes.js';
import { contentSha256, contentSize } from './content.js';
import { diskPath } from './disk.js';
import type { TreeModel, TreeNode } from './tree.js';

export interface SnapshotNode {
  readonly type: TreeNode['type'] | 'socket';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds. */
  readonly mtime: number;
  /** Nanoseconds since 1970. */
  readonly mtimeNs: bigint;
  /** Of regular files. */
  readonly size?: number;
  readonly sha256?: string;
  /** Of symlinks, a byte string. */
  readonly target?: string;
  /** Of devices. */
  readonly major?: number;
  readonly minor?: number;
}

/** By path (byte string relative to the root, `''` for the root itself). */
export type Snapshot = ReadonlyMap<string, SnapshotNode>;

/** What `diffTrees` may leave out; `root` is the entry `''` alone. */
export type Aspect = 'content' | 'mode' | 'owner' | 'mtime' | 'root';

export interface DiffOptions {
  readonly ignore?: readonly Aspect[];
  /** Compare mtimes to the nanosecond instead of the second. */
  readonly nanoseconds?: true;
}

/** Reads everything below `root`, with a hash of every regular file. `root` may itself be a file or link. */
export function readTree(root: string): Snapshot {
  const snapshot = new Map<string, SnapshotNode>();
  const pending = [''];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const node = readNode(root, path);
    snapshot.set(path, node);
    if (node.type !== 'directory') continue;
    for (const name of fs.readdirSync(diskPath(root, path), { encoding: 'buffer' })) {
      pending.push(joinPath(path, fromBytes(name)));
    }
  }
  return snapshot;
}

/** The snapshot that `readTree` gives after `writeTree` of this model. */
export function snapshotOf(model: TreeModel): Snapshot {
  return new Map([...model].map(([path, node]) => [path, expectedNode(node)]));
}

/**
 * What has to change in `actual` to be `expected`, one line a difference, in path order; empty when nothing.
 * A symlink's mode and mtime are never compared: Linux has no such mode and duplicity doesn't keep the mtime.
 */
export function diffTrees(expected: Snapshot, actual: Snapshot, options: DiffOptions = {}): string[] {
  const ignored = new Set(options.ignore ?? []);
  const lines: string[] = [];
  for (const path of [...new Set([...expected.keys(), ...actual.keys()])].sort(comparePaths)) {
    if (path === '' && ignored.has('root')) continue;
    const wanted = expected.get(path);
    const found = actual.get(path);
    const differences =
      wanted === undefined
        ? [`not expected, is a ${found?.type}`]
        : found === undefined
          ? [`missing, expected a ${wanted.type}`]
          : diffNodes(wanted, found, ignored, options);
    lines.push(...differences.map((difference) => `${path === '' ? '(root)' : printable(path)}: ${difference}`));
  }
  return lines;
}

function diffNodes(
  wanted: SnapshotNode,
  found: SnapshotNode,
  ignored: ReadonlySet<Aspect>,
  options: DiffOptions,
): string[] {
  if (wanted.type !== found.type) return [`is a ${found.type}, expected a ${wanted.type}`];
  const lines: string[] = [];
  const compare = (what: string, have: unknown, want: unknown): void => {
    if (have !== want) lines.push(`${what} ${have}, expected ${want}`);
  };
  if (!ignored.has('content')) {
    compare('size', found.size, wanted.size);
    compare('sha256', found.sha256, wanted.sha256);
  }
  compare('link target', quoted(found.target), quoted(wanted.target));
  compare('device', numbers(found), numbers(wanted));
  if (!ignored.has('owner')) compare('owner', `${found.uid}:${found.gid}`, `${wanted.uid}:${wanted.gid}`);
  if (wanted.type === 'symlink') return lines;
  if (!ignored.has('mode')) compare('mode', found.mode.toString(8), wanted.mode.toString(8));
  if (!ignored.has('mtime')) {
    if (options.nanoseconds) compare('mtime (ns)', found.mtimeNs, wanted.mtimeNs);
    else compare('mtime', found.mtime, wanted.mtime);
  }
  return lines;
}

function quoted(target: string | undefined): string | undefined {
  return target === undefined ? undefined : printable(target);
}

function numbers(node: SnapshotNode): string | undefined {
  return node.major === undefined ? undefined : `${node.major}:${node.minor}`;
}

function expectedNode(node: TreeNode): SnapshotNode {
  const common = {
    type: node.type,
    mode: node.mode,
    uid: node.uid ?? process.getuid?.() ?? 0,
    gid: node.gid ?? process.getgid?.() ?? 0,
    mtime: node.mtime,
    mtimeNs: BigInt(node.mtime) * 1_000_000_000n,
  };
  if (node.type === 'file') return { ...common, size: contentSize(node.content), sha256: contentSha256(node.content) };
  if (node.type === 'symlink') return { ...common, target: node.target };
  if (node.type === 'char' || node.type === 'block') return { ...common, major: node.major, minor: node.minor };
  return common;
}

function readNode(root: string, path: string): SnapshotNode {
  const target = diskPath(root, path);
  const stat = fs.lstatSync(target, { bigint: true });
  const type = typeOf(stat);
  const common = {
    type,
    mode: Number(stat.mode) & 0o7777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtime: Number(stat.mtimeNs / 1_000_000_000n),
    mtimeNs: stat.mtimeNs,
  };
  if (type === 'file') return { ...common, size: Number(stat.size), sha256: hashFile(target) };
  if (type === 'symlink') return { ...common, target: fromBytes(fs.readlinkSync(target, { encoding: 'buffer' })) };
  if (type === 'char' || type === 'block') return { ...common, ...deviceNumbers(stat.rdev) };
  return common;
}

function typeOf(stat: fs.BigIntStats): SnapshotNode['type'] {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isFIFO()) return 'fifo';
  if (stat.isCharacterDevice()) return 'char';
  if (stat.isBlockDevice()) return 'block';
  return 'socket';
}

/** Linux' split of a device number (makedev(3)). */
function deviceNumbers(rdev: bigint): { major: number; minor: number } {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n);
  return { major: Number(major), minor: Number(minor) };
}

function hashFile(target: Buffer): string {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(1 << 18);
  const handle = fs.openSync(target, 'r');
  try {
    for (let length = fs.readSync(handle, buffer); length > 0; length = fs.readSync(handle, buffer)) {
      hash.update(buffer.subarray(0, length));
    }
  } finally {
    fs.closeSync(handle);
  }
  return hash.digest('hex');
}
