/**
 * What is left of some folders when the power fails: the calls of one process are noted, and on a cut the disk is
 * turned into a state that POSIX allows afterwards. Pessimistic on purpose: contents that were not synced come back
 * empty, cut short or as zeros, and each change of a name survives or not by itself, unless its folder was synced.
 */

import fs from 'node:fs';
import { dirname } from 'node:path';
import { randomFrom } from '../random.js';

/** The functions themselves, before anybody put something around them. */
const { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } = fs;

/** A file or folder, whatever its names. */
interface Inode {
  readonly isFolder: boolean;
  /** Content at the last sync; undefined when nothing of it is durable. */
  durable: Buffer | undefined;
}

type Names = Map<string, Inode | undefined>;

/** Paths are absolute byte strings. */
export class PowerCut {
  readonly #live: Names = new Map();
  readonly #durable: Names = new Map();
  #pending: Names[] = [];

  /** Before a call that may change one of these, or its bytes. What is there already is long since durable. */
  before(paths: readonly string[]): void {
    for (const path of paths) {
      if (this.#live.has(path)) continue;
      const inode = onDisk(path);
      this.#live.set(path, inode);
      this.#durable.set(path, inode);
    }
  }

  created(path: string): void {
    if (this.#live.get(path) === undefined) this.#change([[path, { isFolder: isFolder(path), durable: undefined }]]);
  }

  linked(from: string, to: string): void {
    this.#change([[to, this.#live.get(from)]]);
  }

  renamed(from: string, to: string): void {
    const inode = this.#live.get(from);
    this.#change([
      [to, inode],
      [from, undefined],
    ]);
  }

  removed(path: string): void {
    const below = [...this.#live.keys()].filter((name) => name === path || name.startsWith(`${path}/`));
    this.#change(below.map((name) => [name, undefined]));
  }

  synced(path: string): void {
    if (!isFolder(path)) {
      const inode = this.#live.get(path);
      if (inode !== undefined) inode.durable = readFileSync(bytes(path));
      return;
    }
    const concerned = (change: Names): boolean => [...change.keys()].some((name) => dirname(name) === path);
    for (const change of this.#pending.filter(concerned)) apply(this.#durable, change);
    this.#pending = this.#pending.filter((change) => !concerned(change));
  }

  /** Rewrites the disk. Each seed is another possibility. */
  cut(seed: number): void {
    const random = randomFrom(seed);
    const names: Names = new Map(this.#durable);
    for (const change of this.#pending) if (random() < 0.5) apply(names, change);
    const written = new Map<Inode, Buffer>();
    for (const [path, inode] of this.#live)
      if (inode !== undefined && existsSync(bytes(path)) && !isFolder(path))
        written.set(inode, readFileSync(bytes(path)));
    const deepestFirst = [...this.#live.keys()].sort((a, b) => b.length - a.length);
    for (const path of deepestFirst)
      if (!names.get(path)?.isFolder) rmSync(bytes(path), { recursive: true, force: true });
    for (const path of deepestFirst.reverse()) {
      const inode = names.get(path);
      if (inode === undefined || !existsSync(bytes(dirname(path)))) continue;
      if (inode.isFolder) mkdirSync(bytes(path), { recursive: true });
      else writeFileSync(bytes(path), survivor(inode.durable, written.get(inode), random));
    }
  }

  #change(effects: readonly (readonly [string, Inode | undefined])[]): void {
    const change: Names = new Map(effects);
    apply(this.#live, change);
    this.#pending.push(change);
  }
}

function apply(names: Names, change: Names): void {
  for (const [path, inode] of change) names.set(path, inode);
}

function onDisk(path: string): Inode | undefined {
  if (!existsSync(bytes(path))) return undefined;
  return isFolder(path)
    ? { isFolder: true, durable: undefined }
    : { isFolder: false, durable: readFileSync(bytes(path)) };
}

/** Of a file that was written to since its last sync: what was synced, with or without some of what came after. */
function survivor(durable: Buffer | undefined, live: Buffer | undefined, random: () => number): Buffer {
  if (durable === undefined) return Buffer.alloc(random() < 0.5 ? 0 : Math.floor(random() * 5000));
  if (live === undefined || live.length <= durable.length || !live.subarray(0, durable.length).equals(durable))
    return durable;
  return live.subarray(0, durable.length + Math.floor(random() * (live.length - durable.length)));
}

function isFolder(path: string): boolean {
  return lstatSync(bytes(path), { throwIfNoEntry: false })?.isDirectory() === true;
}

function bytes(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}
