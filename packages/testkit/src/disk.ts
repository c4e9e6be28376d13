/** A tree model written to a disk and changed there. Synchronous: a test's set-up has nothing to overlap with. */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';

import { comparePaths, joinPath, parentPath, printable, toBytes } from './bytes.js';
import { type Content, contentChunks } from './content.js';
import { isRoot, type TreeModel, type TreeNode } from './tree.js';

/** Writes `model` into the directory `root`, which is made when it isn't there and should be empty. */
export function writeTree(root: string, model: TreeModel): void {
  updateTree(root, new Map(), model);
}

/**
 * Turns the tree that `writeTree(root, before)` left into `after`. Entries that are the same in both are
 * not touched: inode and ctime stay. A changed file of the same name keeps its inode.
 */
export function updateTree(root: string, before: TreeModel, after: TreeModel): void {
  fs.mkdirSync(toBytes(rootPath(root)), { recursive: true });
  const directories = isRoot() ? new Set<string>() : openDirectories(root, before);
  const special: string[] = [];
  const changed: [string, TreeNode][] = [];
  for (const [path, node] of inOrder(before).reverse()) {
    if (after.get(path)?.type === node.type && !isReplacedSpecial(node, after.get(path))) continue;
    remove(root, path, node);
    directories.add(parentPath(path));
  }
  for (const [path, node] of inOrder(after)) {
    const old = before.get(path);
    if (isEqual(old, node)) continue;
    if (node.type === 'directory') directories.add(path);
    else changed.push([path, node]);
    if (old === undefined || old.type !== node.type || isReplacedSpecial(old, node)) directories.add(parentPath(path));
    if (path !== '') write(root, path, node, old, special);
  }
  makeSpecial(special);
  for (const [path, node] of changed) setAttributes(root, path, node);
  // Writing into a directory changed its time. Children before parents, since a mode may close the way.
  for (const [path, node] of inOrder(after).reverse()) {
    if (node.type === 'directory' && directories.has(path)) setAttributes(root, path, node);
  }
}

/** The path of an entry as the file system wants it. */
export function diskPath(root: string, path: string): Buffer {
  return toBytes(joinPath(rootPath(root), path));
}

/** Makes a socket, which archives can't hold: it stays after the process that made it has died. */
export function makeSocket(directoryPath: string, name: string): void {
  const script = 'require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))';
  spawnSync(process.execPath, ['-e', script, name], { cwd: directoryPath, stdio: 'ignore' });
  if (!fs.lstatSync(diskPath(directoryPath, name)).isSocket()) throw new Error(`no socket at ${printable(name)}`);
}

/** Removes a directory whatever the modes of what is in it. */
export function removeTree(root: string): void {
  if (!isRoot() && fs.existsSync(root)) spawnSync('chmod', ['-R', 'u+rwX', root], { stdio: 'ignore' });
  fs.rmSync(root, { recursive: true, force: true, maxRetries: 3 });
}

/** Roots are ordinary text paths; inside, everything is bytes. */
function rootPath(root: string): string {
  return Buffer.from(root, 'utf8').toString('latin1');
}

function inOrder(model: TreeModel): [string, TreeNode][] {
  return [...model].sort(([a], [b]) => comparePaths(a, b));
}

/** Lets somebody who isn't root change what lies in directories of mode 0500; gives back which were opened. */
function openDirectories(root: string, model: TreeModel): Set<string> {
  const opened = inOrder(model).filter(([, node]) => node.type === 'directory');
  for (const [path] of opened) fs.chmodSync(diskPath(root, path), 0o700);
  return new Set(opened.map(([path]) => path));
}

function isEqual(a: TreeNode | undefined, b: TreeNode): boolean {
  return a !== undefined && JSON.stringify(a) === JSON.stringify(b);
}

/** What can't be changed in place: a link's target, a device's numbers. */
function isReplacedSpecial(old: TreeNode, node: TreeNode | undefined): boolean {
  if (node === undefined || old.type === 'file' || old.type === 'directory') return false;
  return !isEqual(old, node);
}

function remove(root: string, path: string, node: TreeNode): void {
  if (path === '') return;
  if (node.type === 'directory') fs.rmdirSync(diskPath(root, path));
  else fs.unlinkSync(diskPath(root, path));
}

function write(root: string, path: string, node: TreeNode, old: TreeNode | undefined, special: string[]): void {
  const target = diskPath(root, path);
  switch (node.type) {
    case 'directory':
      if (old?.type !== 'directory') fs.mkdirSync(target, { mode: 0o700 });
      return;
    case 'file':
      if (old?.type === 'file' && JSON.stringify(old.content) === JSON.stringify(node.content)) return;
      writeContent(target, node.content);
      return;
    case 'symlink':
      fs.symlinkSync(toBytes(node.target), target);
      return;
    case 'fifo':
      special.push(`${shellQuote(target)} p`);
      return;
    case 'char':
    case 'block':
      special.push(`${shellQuote(target)} ${node.type === 'char' ? 'c' : 'b'} ${node.major} ${node.minor}`);
  }
}

function writeContent(target: Buffer, content: Content): void {
  if (fs.existsSync(target)) fs.chmodSync(target, 0o600);
  const handle = fs.openSync(target, fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_TRUNC, 0o600);
  try {
    for (const chunk of contentChunks(content)) {
      for (let done = 0; done < chunk.length; ) done += fs.writeSync(handle, chunk, done);
    }
  } finally {
    fs.closeSync(handle);
  }
}

/** Owner first, because chown takes setuid away; then mode, then time. */
function setAttributes(root: string, path: string, node: TreeNode): void {
  const target = diskPath(root, path);
  if (isRoot()) fs.lchownSync(target, node.uid ?? 0, node.gid ?? 0);
  if (node.type !== 'symlink') fs.chmodSync(target, node.mode);
  fs.lutimesSync(target, node.mtime, node.mtime);
}

/** Node can't make fifos and devices; one shell makes them all, its script in bytes on its input. */
function makeSpecial(lines: readonly string[]): void {
  if (lines.length === 0) return;
  const script = `set -e\n${lines.map((line) => `mknod -- ${line}\n`).join('')}`;
  const made = spawnSync('bash', [], { input: toBytes(script), env: { PATH: process.env['PATH'], LC_ALL: 'C' } });
  if (made.status !== 0) throw new Error(`mknod: ${made.stderr?.toString() ?? made.error?.message}`);
}

function shellQuote(path: Buffer): string {
  return `'${path.toString('latin1').replaceAll("'", `'\\''`)}'`;
}
