/** What the tests of encryption share: the command on a machine of its own, with the keys that it has there. */

import { mkdirSync, rmSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  cleanEnv,
  diffTrees,
  file,
  type GpgHome,
  prepareGpgHome,
  type RunResult,
  readTree,
  run,
  runOk,
  seeded,
  snapshotOf,
  type TreeModel,
  tempDir,
  tree,
  writeTree,
} from '@redup/testkit';
import { expect } from 'vitest';

export const BIN = fileURLToPath(new URL('../bin/redup.js', import.meta.url));

export const MODEL: TreeModel = tree({ a: file('hello\n'), 'd/b': file(seeded(3, 100_000)) });

export type Environment = Readonly<Record<string, string>>;

/** A folder with a source, a target and a cache. */
export class Machine {
  readonly folder = tempDir('machine');
  readonly target = `${this.folder}/target`;
  readonly url = `file://${this.target}`;
  readonly gnupgHome: string;
  readonly #restored = new Set<string>();

  /** @param gnupgHome default: an empty one */
  constructor(gnupgHome?: string) {
    this.gnupgHome = gnupgHome ?? `${this.folder}/gnupg`;
    if (gnupgHome === undefined) prepareGpgHome(this.gnupgHome);
    writeTree(`${this.folder}/src`, MODEL);
  }

  env(extra: Environment = {}): Record<string, string> {
    const { folder } = this;
    const own = { HOME: folder, XDG_CACHE_HOME: `${folder}/cache`, TMPDIR: `${folder}/tmp`, GNUPGHOME: this.gnupgHome };
    mkdirSync(own.TMPDIR, { recursive: true });
    return cleanEnv({ ...own, ...extra });
  }

  redup(args: readonly string[], env: Environment = {}): Promise<RunResult> {
    return run(process.execPath, [BIN, ...args], { env: this.env(env), cwd: this.folder });
  }

  async redupOk(args: readonly string[], env: Environment = {}): Promise<RunResult> {
    const result = await this.redup(args, env);
    expect([result.code, result.stderr], args.join(' ')).toEqual([0, '']);
    return result;
  }

  /** Restores with an empty cache, into a new folder, and compares. */
  async expectRestored(args: readonly string[], env: Environment = {}, model: TreeModel = MODEL): Promise<void> {
    const target = `${this.folder}/out${this.#restored.size}`;
    this.#restored.add(target);
    await this.redupOk(['restore', '--archive-dir', `${target}.cache`, ...args, this.url, target], env);
    expect(diffTrees(snapshotOf(model), readTree(target))).toEqual([]);
  }

  /** Runs with an empty cache and expects an exit code, and on the terminal each of `words`. */
  async expectRefused(
    code: number,
    words: readonly string[],
    args: readonly string[],
    env: Environment = {},
  ): Promise<RunResult> {
    const cache = `${this.folder}/other-cache`;
    rmSync(cache, { recursive: true, force: true });
    const result = await this.redup(['--archive-dir', cache, ...args], env);
    expect([result.code, result.stderr], args.join(' ')).toEqual([code, expect.any(String)]);
    for (const word of words) expect(result.stderr).toContain(word);
    return result;
  }

  /** Whether a restore wrote anything at its target. */
  hasWritten(target: string): boolean {
    return statSync(`${this.folder}/${target}`, { throwIfNoEntry: false }) !== undefined;
  }
}

/** Moves keys from one home to another. */
export async function copyKey(
  from: GpgHome,
  to: { readonly path: string },
  key: string,
  part: 'public' | 'secret',
  passphrase = '',
): Promise<void> {
  const unlock = ['--batch', '--pinentry-mode', 'loopback', '--passphrase', passphrase];
  const how = part === 'secret' ? '--export-secret-keys' : '--export';
  const exported = await runOk('gpg', [...unlock, how, key], { env: from.env });
  await runOk('gpg', ['--homedir', to.path, ...unlock, '--import'], { input: exported.stdoutBytes });
}
