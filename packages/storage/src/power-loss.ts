/**
 * A file system on which the power can fail: it works on a real folder, remembers what was synced, and on a cut
 * rewrites the folder to a state that POSIX allows afterwards. Pessimistic on purpose: file contents that were not
 * synced come back empty, cut short or as zeros, and each change of a name survives or not by itself, unless its
 * folder was synced. For tests that want to know whether what was reported as stored is stored.
 */

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { generator } from './faults.js';
import { type FileSystem, nodeFileSystem, type OpenFile, type Path } from './file-system.js';

/** One file, whatever its names. */
interface Inode {
  /** Contents at the last sync. */
  durable: Buffer | undefined;
}

/** A change of names that is done together or not at all: path to inode, undefined for a removed name. */
type NameChange = ReadonlyMap<string, Inode | undefined>;

export class PowerLossFileSystem implements FileSystem {
  readonly #inner: FileSystem;
  readonly #live = new Map<string, Inode>();
  readonly #durable = new Map<string, Inode>();
  #pending: NameChange[] = [];
  #callsLeft: number;

  /** @param cutAfter how many calls still succeed; every later one fails with EIO, as if the machine were off */
  constructor(cutAfter: number, inner: FileSystem = nodeFileSystem) {
    this.#callsLeft = cutAfter;
    this.#inner = inner;
  }

  /** Whether the power was cut, that is, whether some call failed. */
  get isOff(): boolean {
    return this.#callsLeft < 0;
  }

  /** Turns the folder into what a machine might find when it starts again. Each seed is another possibility. */
  restart(seed: number): void {
    const random = generator(seed);
    const names = new Map(this.#durable);
    for (const change of this.#pending) {
      if (random() < 0.5) apply(names, change);
    }
    for (const path of new Set([...this.#live.keys(), ...this.#durable.keys(), ...names.keys()])) {
      rmSync(Buffer.from(path, 'latin1'), { force: true });
    }
    for (const [path, inode] of names) {
      writeFileSync(Buffer.from(path, 'latin1'), inode.durable ?? garbage(random));
    }
  }

  async open(path: Path, how: 'read' | 'create'): Promise<OpenFile> {
    this.#call();
    const file = await this.#inner.open(path, how);
    const inode = how === 'create' ? { durable: undefined } : this.#inode(path);
    if (how === 'create') this.#change([[path, inode]]);
    return {
      facts: () => file.facts(),
      read: (buffer, position) => file.read(buffer, position),
      write: async (bytes, position) => {
        this.#call();
        await file.write(bytes, position);
      },
      sync: async () => {
        this.#call();
        await file.sync();
        inode.durable = readFileSync(path);
      },
      close: () => file.close(),
    };
  }

  facts(path: Path): ReturnType<FileSystem['facts']> {
    return this.#inner.facts(path);
  }

  list(directory: Path): ReturnType<FileSystem['list']> {
    return this.#inner.list(directory);
  }

  async link(from: Path, to: Path): Promise<void> {
    this.#call();
    await this.#inner.link(from, to);
    this.#change([[to, this.#inode(from)]]);
  }

  async rename(from: Path, to: Path): Promise<void> {
    this.#call();
    await this.#inner.rename(from, to);
    this.#change([
      [to, this.#inode(from)],
      [from, undefined],
    ]);
  }

  async unlink(path: Path): Promise<void> {
    this.#call();
    await this.#inner.unlink(path);
    this.#change([[path, undefined]]);
  }

  async makeDirectory(path: Path, mode: number): Promise<void> {
    this.#call();
    await this.#inner.makeDirectory(path, mode);
  }

  async removeDirectory(path: Path): Promise<void> {
    this.#call();
    await this.#inner.removeDirectory(path);
  }

  async syncDirectory(path: Path): Promise<void> {
    this.#call();
    await this.#inner.syncDirectory(path);
    const folder = key(path);
    const concerned = (change: NameChange): boolean => [...change.keys()].some((name) => dirname(name) === folder);
    for (const change of this.#pending.filter(concerned)) apply(this.#durable, change);
    this.#pending = this.#pending.filter((change) => !concerned(change));
  }

  #call(): void {
    this.#callsLeft -= 1;
    if (this.#callsLeft < 0) throw Object.assign(new Error('the power is off'), { code: 'EIO' });
  }

  /** A file made by others counts as never synced. */
  #inode(path: Path): Inode {
    const name = key(path);
    const known = this.#live.get(name);
    if (known) return known;
    const made = { durable: undefined };
    this.#change([[path, made]]);
    return made;
  }

  #change(effects: readonly (readonly [Path, Inode | undefined])[]): void {
    const change = new Map(effects.map(([path, inode]) => [key(path), inode] as const));
    apply(this.#live, change);
    this.#pending.push(change);
  }
}

function apply(names: Map<string, Inode>, change: NameChange): void {
  for (const [path, inode] of change) {
    if (inode) names.set(path, inode);
    else names.delete(path);
  }
}

/** What unsynced contents may look like: nothing, or zeros of some length. */
function garbage(random: () => number): Buffer {
  return Buffer.alloc(random() < 0.5 ? 0 : Math.floor(random() * 5000));
}

function key(path: Path): string {
  return Buffer.from(path).toString('latin1');
}
