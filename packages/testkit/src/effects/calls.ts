/** The functions of `node:fs` by what they do, and how to see from their arguments which files they concern. */

import fs from 'node:fs';

/** `writes`: bytes of a file. `names`: what a folder holds. `syncs`. `attributes`. `reads`: nothing changes. */
export type CallKind = 'writes' | 'names' | 'syncs' | 'attributes' | 'reads';

const KINDS: Readonly<Record<CallKind, readonly string[]>> = {
  writes: ['write', 'writev', 'writeFile', 'appendFile', 'truncate', 'ftruncate', 'copyFile'],
  names: ['link', 'symlink', 'rename', 'unlink', 'rm', 'rmdir', 'mkdir', 'mkdtemp'],
  syncs: ['fsync', 'fdatasync', 'sync', 'datasync'],
  attributes: ['chmod', 'fchmod', 'chown', 'fchown', 'lchown', 'utimes', 'futimes', 'lutimes'],
  reads: ['access', 'fstat', 'lstat', 'stat', 'opendir', 'read', 'readFile', 'readdir', 'readlink', 'realpath'],
};

/** Of each function but `open`, whose flags decide. */
export const KIND_OF: ReadonlyMap<string, CallKind> = new Map(
  Object.entries(KINDS).flatMap(([kind, names]) => names.map((name) => [name, kind as CallKind] as const)),
);

const TWO_PATHS = new Set(['link', 'symlink', 'rename', 'copyFile']);

export function kindOfOpen(flags: unknown): CallKind {
  const { O_CREAT, O_TRUNC, O_WRONLY, O_RDWR } = fs.constants;
  if (typeof flags === 'number') return (flags & (O_CREAT | O_TRUNC | O_WRONLY | O_RDWR)) === 0 ? 'reads' : 'names';
  return flags === undefined || flags === 'r' ? 'reads' : 'names';
}

/** Paths that a program opened, by file descriptor: what later calls name by number. */
export class OpenFiles {
  readonly #paths = new Map<number, string>();

  opened(fd: number, path: string): void {
    this.#paths.set(fd, path);
  }

  closed(fd: number): void {
    this.#paths.delete(fd);
  }

  /** What the arguments of a call name: one path or two, absolute, as byte strings. */
  pathsOf(name: string, args: readonly unknown[]): string[] {
    const count = TWO_PATHS.has(name) ? 2 : 1;
    return args.slice(0, count).flatMap((arg) => this.pathOf(arg) ?? []);
  }

  pathOf(arg: unknown): string | undefined {
    if (typeof arg === 'number') return this.#paths.get(arg);
    const path = Buffer.isBuffer(arg)
      ? arg.toString('latin1')
      : arg instanceof URL
        ? arg.pathname
        : typeof arg === 'string'
          ? Buffer.from(arg, 'utf8').toString('latin1')
          : undefined;
    // Directory handles: /proc/self/fd/7/name.
    const handle = /^\/proc\/self\/fd\/(\d+)(?=\/|$)/.exec(path ?? '');
    if (path === undefined || handle === null) return path;
    const folder = this.#paths.get(Number(handle[1]));
    return folder === undefined ? path : folder + path.slice(handle[0].length);
  }
}
