/**
 * The private temporary folder of a command, which knows whose it is: what a killed run left is removed by the next one. In a
 * folder that everybody may write to, only what belongs to this user is touched, and nothing is followed.
 */

import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { forgetHolder, type Holder, livenessHere, newHolder, parseHolder } from '../cache/index.js';
import { localError } from '../errors.js';

const NAME = /^redup-[A-Za-z0-9]{6}$/;
const OWNER = 'owner';
/** A folder without an owner is one that is being made, or whose maker was killed right then. */
const UNOWNED_MS = 3_600_000;

export class TemporaryFolder {
  readonly path: string;
  readonly #holder: Holder;

  /** @throws RedupError when it cannot be made */
  constructor(parent: string) {
    removeLeftovers(parent);
    this.#holder = newHolder();
    try {
      this.path = mkdtempSync(join(parent, 'redup-')); // mode 0700
      writeFileSync(join(this.path, OWNER), JSON.stringify(this.#holder), { mode: 0o600 });
    } catch (error) {
      forgetHolder(this.#holder);
      throw localError('create a temporary folder in', parent, error);
    }
  }

  dispose(): void {
    forgetHolder(this.#holder);
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Of runs that are no more. What can't be removed is no obstacle. */
function removeLeftovers(parent: string): void {
  for (const name of namesIn(parent).filter((each) => NAME.test(each))) {
    const place = join(parent, name);
    try {
      const stats = lstatSync(place);
      if (!stats.isDirectory() || stats.uid !== process.getuid?.()) continue;
      const owner = parseHolder(textOf(join(place, OWNER)));
      if (owner !== undefined && livenessHere(owner) === 'gone') rmSync(place, { recursive: true, force: true });
      // Never with content: that would be somebody's.
      else if (owner === undefined && Date.now() - stats.mtimeMs > UNOWNED_MS) rmdirSync(place);
    } catch {
      // Somebody else was faster, or it isn't ours to remove.
    }
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function textOf(place: string): string {
  try {
    return readFileSync(place, 'utf8');
  } catch {
    return '';
  }
}
