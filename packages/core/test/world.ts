/**
 * One source, one target and one archive directory in a scratch folder, with a clock that steps a thousand seconds
 * before each backup: what most tests of the engine play in.
 */

import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { diffTrees, hashFiles, readTree, snapshotOf, type TreeModel, updateTree, withTempDir } from '@redup/testkit';
import { expect } from 'vitest';
import { parseManifest } from '../src/archive/index.js';
import {
  type ArchiveTime,
  asTime,
  type BackupOptions,
  type BackupResult,
  type ErrorCode,
  RedupError,
  type RedupEvent,
  type RestoreOptions,
  type RestoreResult,
} from '../src/index.js';
import { type Mode, openRepository, type TestRepository, type TestRepositoryOptions, warnings } from './support.js';

export const START = 1_700_000_000;

export type WorldOptions = Partial<TestRepositoryOptions>;

export interface BackupRun extends BackupResult {
  readonly events: readonly RedupEvent[];
  readonly warnings: readonly string[];
}

export interface RestoreRun extends RestoreResult {
  readonly events: readonly RedupEvent[];
  readonly warnings: readonly string[];
  readonly target: string;
}

export class World {
  readonly source: string;
  readonly target: string;
  readonly archive: string;
  now = START;
  #tree: TreeModel = new Map();
  #restores = 0;

  constructor(
    readonly folder: string,
    readonly options: WorldOptions & { readonly mode: Mode },
  ) {
    this.source = join(folder, 'source');
    this.target = options.target ?? join(folder, 'target');
    this.archive = join(folder, 'archive');
  }

  open(options: WorldOptions = {}): Promise<TestRepository> {
    return openRepository({
      target: this.target,
      archiveDirectory: this.archive,
      now: this.now,
      ...this.options,
      ...options,
    });
  }

  /** Makes the source be `after`, touching only what differs. */
  write(after: TreeModel): void {
    updateTree(this.source, this.#tree, after);
    this.#tree = after;
  }

  /** The state to expect of a restore. */
  get tree(): TreeModel {
    return this.#tree;
  }

  async backup(backup: Partial<BackupOptions> = {}, options: WorldOptions = {}): Promise<BackupRun> {
    this.now += 1000;
    const { repository, events } = await this.open(options);
    const result = await repository.backup({ source: this.source, volumeBytes: 1 << 20, ...backup });
    return { ...result, events, warnings: warnings(events) };
  }

  async restore(restore: Partial<RestoreOptions> = {}, options: WorldOptions = {}): Promise<RestoreRun> {
    const target = restore.target ?? join(this.folder, `restored-${this.#restores++}`);
    const { repository, events } = await this.open(options);
    const result = await repository.restore({ ...restore, target });
    return { ...result, events, warnings: warnings(events), target };
  }

  /** Restores a time and holds it against a state of the source; nothing may be reported. */
  async expectRestores(
    model: TreeModel = this.#tree,
    time?: ArchiveTime | number,
    options: WorldOptions = {},
  ): Promise<void> {
    const run = await this.restore(time === undefined ? {} : { time: asTime(time) }, options);
    expect(run.warnings).toEqual([]);
    expect(run.problems).toBe(0);
    expect(diffTrees(snapshotOf(model), readTree(run.target))).toEqual([]);
    rmSync(run.target, { recursive: true, force: true });
  }

  async list(time?: number, options: WorldOptions = {}): Promise<string[]> {
    const { repository } = await this.open(options);
    const paths: string[] = [];
    for await (const entry of repository.files(time === undefined ? {} : { time: asTime(time) }))
      paths.push(entry.path);
    return paths;
  }

  /** Files of the target that match, sorted by name. */
  stored(pattern: RegExp): string[] {
    if (!existsSync(this.target)) return [];
    return readdirSync(this.target)
      .filter((name) => pattern.test(name))
      .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  }

  place(name: string): string {
    return join(this.target, name);
  }

  /** The target's last manifest, which must be plain. */
  manifest(pattern = /\.manifest$/) {
    const name = this.stored(pattern).at(-1) ?? expect.unreachable('no manifest');
    return parseManifest(readFileSync(this.place(name), 'latin1'), { files: 'keep' });
  }

  loseCache(): void {
    rmSync(this.archive, { recursive: true, force: true });
  }
}

export async function withWorld(
  mode: Mode,
  use: (world: World) => Promise<void>,
  options: WorldOptions = {},
): Promise<void> {
  await withTempDir('core', (folder) => use(new World(folder, { ...options, mode })));
}

/** The error that a call must end with. */
export async function errorOf(call: Promise<unknown>, code: ErrorCode): Promise<RedupError> {
  const error = await call.then(
    (value: unknown) => expect.unreachable(`no error but ${JSON.stringify(value)}`),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof RedupError)) throw error;
  expect(`${error.code}: ${error.message}`).toMatch(new RegExp(`^${code}: `));
  // One clear message: a sentence, no stack, no way of saying "undefined".
  expect(error.message).not.toMatch(/\n|undefined|\[object|at .*:\d+:\d+/);
  return error;
}

/** That a call ends with this error and neither target nor cache were touched. */
export async function expectRefusal(world: World, call: () => Promise<unknown>, code: ErrorCode): Promise<RedupError> {
  const hashes = () => (existsSync(world.target) ? hashFiles(world.target) : new Map());
  const before = hashes();
  // The folder itself may be made.
  const cached = () =>
    existsSync(world.archive)
      ? [...readTree(world.archive)].filter(([, { type }]) => type === 'file').map(([path]) => path)
      : [];
  const cache = cached();
  const error = await errorOf(call(), code);
  expect(error.hint ?? '').not.toBe('');
  expect(hashes()).toEqual(before);
  expect(cached()).toEqual(cache);
  return error;
}
