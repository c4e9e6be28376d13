/**
 * A tree of files as a plain value: what a test makes, changes, writes to disk and expects back.
 * Paths are byte strings relative to the root, components joined with `/`; the root is `''`.
 */

import { type Content, literal } from './content.js';

export interface Attributes {
  /** Permission bits with setuid, setgid and sticky. Without meaning for symlinks. */
  readonly mode: number;
  /** Whole seconds since 1970. duplicity doesn't keep it for symlinks. */
  readonly mtime: number;
  /** Default: the user who writes the tree. Only root can write another. */
  readonly uid?: number;
  readonly gid?: number;
}

export interface FileNode extends Attributes {
  readonly type: 'file';
  readonly content: Content;
}
export interface DirectoryNode extends Attributes {
  readonly type: 'directory';
}
export interface SymlinkNode extends Attributes {
  readonly type: 'symlink';
  /** A byte string. */
  readonly target: string;
}
export interface FifoNode extends Attributes {
  readonly type: 'fifo';
}
export interface DeviceNode extends Attributes {
  readonly type: 'char' | 'block';
  readonly major: number;
  readonly minor: number;
}
export type TreeNode = FileNode | DirectoryNode | SymlinkNode | FifoNode | DeviceNode;

/** Every path's parent is in the model as a directory, except the root, which may be left out. */
export type TreeModel = ReadonlyMap<string, TreeNode>;

const SOME_DAY = 1_600_000_000;

export function file(content: Content | string, attributes: Partial<Attributes> = {}): FileNode {
  const pieces = typeof content === 'string' ? literal(content) : content;
  return { type: 'file', content: pieces, mode: 0o644, mtime: SOME_DAY, ...attributes };
}

export function directory(attributes: Partial<Attributes> = {}): DirectoryNode {
  return { type: 'directory', mode: 0o755, mtime: SOME_DAY, ...attributes };
}

export function symlink(target: string, attributes: Partial<Attributes> = {}): SymlinkNode {
  return { type: 'symlink', target, mode: 0o777, mtime: SOME_DAY, ...attributes };
}

export function fifo(attributes: Partial<Attributes> = {}): FifoNode {
  return { type: 'fifo', mode: 0o644, mtime: SOME_DAY, ...attributes };
}

export function device(
  type: 'char' | 'block',
  major: number,
  minor: number,
  attributes: Partial<Attributes> = {},
): DeviceNode {
  return { type, major, minor, mode: 0o600, mtime: SOME_DAY, ...attributes };
}

/** A model from `{ path: node }`; missing parent directories are added. */
export function tree(nodes: Readonly<Record<string, TreeNode>>): TreeModel {
  return new Map(Object.entries(nodes).reduce(addWithParents, new Map<string, TreeNode>([['', directory()]])));
}

function addWithParents(model: Map<string, TreeNode>, [path, node]: [string, TreeNode]): Map<string, TreeNode> {
  const components = path.split('/');
  for (let depth = 1; depth < components.length; depth++) {
    const parent = components.slice(0, depth).join('/');
    if (!model.has(parent)) model.set(parent, directory());
  }
  return model.set(path, node);
}

/** Whether this process may write owners and devices, and read everything. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}
