/**
 * The order of paths (FORMAT.md §3): by components, so `/` sorts below every other byte: `a`, `a/b`, `a.b`.
 * This is the only comparer; merging, volumes and restoring rest on it.
 */

import { asPath, type ByteString, type Path } from '../archive/index.js';

const SLASH = 0x2f;

/** Negative, zero or positive, as `Array.sort` wants it. A parent comes right before its children. */
export function comparePaths(a: Path, b: Path): number {
  if (a === b) return 0;
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return x === SLASH ? -1 : y === SLASH ? 1 : x - y;
  }
  return a.length - b.length;
}

/** True when `path` is `parent` or lies below it. */
export function isWithin(path: Path, parent: Path): boolean {
  if (parent === '') return true;
  return path.startsWith(parent) && (path.length === parent.length || path.charCodeAt(parent.length) === SLASH);
}

export function parentOf(path: Path): Path {
  const slash = path.lastIndexOf('/');
  return asPath(slash < 0 ? '' : path.slice(0, slash));
}

export function baseName(path: Path): ByteString {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function joinPath(parent: Path, name: ByteString): Path {
  return asPath(parent === '' ? name : `${parent}/${name}`);
}

/** `path` seen from `parent`, which it must lie within. */
export function relativeTo(path: Path, parent: Path): Path {
  if (parent === '') return path;
  return asPath(path.slice(parent.length + 1));
}
