/**
 * The sets of a chain up to a time, merged by path: for each path, the versions that its content is made of.
 */

import { END, MORE, type Path } from '../archive/index.js';
import { comparePaths } from '../tree/index.js';
import type { SetEntry, SetReader } from './reader.js';

export interface Version {
  readonly reader: SetReader;
  /** Which of the sets, from 0. */
  readonly set: number;
  readonly entry: SetEntry;
}

/** One path: a whole version, then deltas to it, oldest first (or its history). Metadata is that of the last one. */
export interface PathVersions {
  readonly path: Path;
  /** Never empty. The first is no delta, unless the chain is damaged. */
  readonly versions: readonly [Version, ...Version[]];
}

export interface MergeOptions {
  /** `current`: what the content as of the last set is made of (the default); `all`: what every set says of a path. */
  readonly versions?: 'current' | 'all';
}

export class MergedSets {
  readonly #readers: readonly SetReader[];
  readonly #versions: 'current' | 'all';
  readonly #current: (SetEntry | typeof MORE | typeof END)[];
  /** Readers whose entry was given out and must step on. */
  #given: number[] = [];

  /** @param readers oldest set first */
  constructor(readers: readonly SetReader[], { versions = 'current' }: MergeOptions = {}) {
    this.#readers = readers;
    this.#versions = versions;
    this.#current = readers.map(() => MORE);
  }

  /** The next path, `MORE` when `fill` must be awaited, `END` after the last. The previous one's content is dropped. */
  next(): PathVersions | typeof MORE | typeof END {
    for (const i of this.#given) this.#current[i] = MORE;
    this.#given = [];
    let least: Path | undefined;
    let starving = false;
    // Every reader is asked before `MORE` is returned: `fill` must not feed one that has bytes left.
    for (let i = 0; i < this.#readers.length; i++) {
      if (this.#current[i] === MORE) this.#current[i] = this.#readers[i]?.next() ?? END;
      const current = this.#current[i];
      if (current === MORE) starving = true;
      else if (current !== END && current !== undefined) {
        if (least === undefined || comparePaths(current.path, least) < 0) least = current.path;
      }
    }
    if (starving) return MORE;
    return least === undefined ? END : this.#collect(least);
  }

  async fill(): Promise<void> {
    for (let i = 0; i < this.#readers.length; i++) if (this.#current[i] === MORE) await this.#readers[i]?.fill();
  }

  async close(): Promise<void> {
    for (const reader of this.#readers) await reader.close();
  }

  #collect(path: Path): PathVersions {
    let versions: Version[] = [];
    for (let i = 0; i < this.#readers.length; i++) {
      const entry = this.#current[i];
      const reader = this.#readers[i];
      if (typeof entry !== 'object' || reader === undefined || entry.path !== path) continue;
      this.#given.push(i);
      // What is stored whole replaces everything before it.
      if (entry.kind !== 'diff' && this.#versions === 'current') versions = [];
      versions.push({ reader, set: i, entry });
    }
    const [first, ...rest] = versions;
    if (first === undefined) throw new Error('no reader has the path just found');
    return { path, versions: [first, ...rest] };
  }
}
