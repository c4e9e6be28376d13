/**
 * Compares two folders entry by entry, knowing nothing of redup: types, modes, owners, mtimes to the second (to which archives
 * keep them), link targets, device numbers, and every byte of every file. A link's own mtime is not archived.
 */

import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';

const BLOCK = 1 << 20;
const [left, right] = [Buffer.alloc(BLOCK), Buffer.alloc(BLOCK)];

/** @returns differences as printable lines; number of entries and bytes compared */
export function compareTrees(expected, actual) {
  const differences = [];
  let [entries, bytes] = [0, 0];
  const pending = [Buffer.alloc(0)];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const [a, b] = [placeOf(expected, path), placeOf(actual, path)];
    const [x, y] = [
      lstatSync(a, { bigint: true, throwIfNoEntry: false }),
      lstatSync(b, { bigint: true, throwIfNoEntry: false }),
    ];
    if (x === undefined || y === undefined) {
      if (!x?.isSocket()) differences.push(`${show(path)}: ${x === undefined ? 'is too much' : 'is missing'}`);
      continue;
    }
    entries++;
    bytes += Number(x.isFile() ? x.size : 0n);
    differences.push(...compareEntries(a, b, x, y).map((what) => `${show(path)}: ${what}`));
    if (!x.isDirectory() || !y.isDirectory()) continue;
    const names = new Set([...namesIn(a), ...namesIn(b)]);
    for (const name of names) pending.push(join(path, Buffer.from(name, 'latin1')));
  }
  return { differences, entries, bytes };
}

/** Entries and bytes of a folder. */
export function describeTree(root) {
  let [files, bytes] = [0, 0];
  const pending = [Buffer.alloc(0)];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const place = placeOf(root, path);
    const stats = lstatSync(place);
    files++;
    bytes += stats.isFile() ? stats.size : 0;
    if (stats.isDirectory()) for (const name of namesIn(place)) pending.push(join(path, Buffer.from(name, 'latin1')));
  }
  return { files, bytes };
}

function compareEntries(a, b, x, y) {
  if (typeOf(x) !== typeOf(y)) return [`is a ${typeOf(y)}, should be a ${typeOf(x)}`];
  const differences = [];
  const check = (what, is, shouldBe) => {
    if (is !== shouldBe) differences.push(`${what} is ${is}, should be ${shouldBe}`);
  };
  check('owner', `${y.uid}:${y.gid}`, `${x.uid}:${x.gid}`);
  if (x.isSymbolicLink()) {
    check('link', readlinkSync(b, 'latin1'), readlinkSync(a, 'latin1'));
    return differences;
  }
  check('mode', (y.mode & 0o7777n).toString(8), (x.mode & 0o7777n).toString(8));
  check('mtime', y.mtimeNs / 1_000_000_000n, x.mtimeNs / 1_000_000_000n);
  if (x.isBlockDevice() || x.isCharacterDevice()) check('device', y.rdev, x.rdev);
  if (!x.isFile()) return differences;
  check('size', y.size, x.size);
  if (x.size === y.size) check('first different byte', firstDifference(a, b), -1);
  return differences;
}

function firstDifference(a, b) {
  const [x, y] = [openSync(a, 'r'), openSync(b, 'r')];
  try {
    for (let at = 0; ; ) {
      const [n, m] = [readSync(x, left, 0, BLOCK, at), readSync(y, right, 0, BLOCK, at)];
      if (n !== m) return at + Math.min(n, m);
      if (n === 0) return -1;
      if (left.compare(right, 0, n, 0, n) !== 0) {
        for (let i = 0; i < n; i++) if (left[i] !== right[i]) return at + i;
      }
      at += n;
    }
  } finally {
    closeSync(x);
    closeSync(y);
  }
}

function typeOf(stats) {
  const types = ['File', 'Directory', 'SymbolicLink', 'FIFO', 'BlockDevice', 'CharacterDevice', 'Socket'];
  return types.find((type) => stats[`is${type}`]()) ?? 'thing of unknown type';
}

function namesIn(folder) {
  return readdirSync(folder, 'latin1');
}

function join(parent, name) {
  return parent.length === 0 ? name : Buffer.concat([parent, Buffer.from('/'), name]);
}

function placeOf(root, path) {
  return join(Buffer.from(root), path);
}

function show(path) {
  return path.length === 0 ? '(the folder itself)' : JSON.stringify(path.toString());
}
