/**
 * Where the crash tests play: a source, a target (a folder or a bucket), an archive directory and a temporary folder, the real
 * command that dies on them, and the engine that looks at what it left.
 */

import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { asTime, type BackupResult, type RedupEvent, Repository, Secret, type Storage } from '@redup/core';
import { FileStorage } from '@redup/storage';
import { createS3Storage } from '@redup/storage-s3';
import { cleanEnv, diffTrees, readTree, type Snapshot, snapshotOf, type TreeModel, updateTree } from '@redup/testkit';
import { type EffectPlan, runSuffering, type SufferedRun } from '@redup/testkit/effects';
import type { S3Server } from '@redup/testkit/s3';
import { expect } from 'vitest';

const BIN = fileURLToPath(new URL('../../bin/redup.js', import.meta.url));
const PASSPHRASE = 'correct horse';
export const MIB = 2 ** 20;

/** The folders are those of the place unless others are said. */
export type Plan = Pick<EffectPlan, 'suffering' | 'at'> & Partial<EffectPlan>;

export interface PlaceOptions {
  readonly encrypted: boolean;
  /** Without it the target is a folder. */
  readonly s3?: { readonly server: S3Server; readonly url: string };
}

export interface ResumedRun extends BackupResult {
  /** Names of the volumes that it stored. */
  readonly storedNames: readonly string[];
  readonly warnings: readonly string[];
}

export class Place {
  readonly source: string;
  readonly target: string;
  readonly archive: string;
  readonly temporary: string;
  readonly url: string;
  #tree: TreeModel = new Map();
  #restores = 0;

  constructor(
    readonly folder: string,
    readonly options: PlaceOptions,
  ) {
    this.source = join(folder, 'source');
    this.target = join(folder, 'target');
    this.archive = join(folder, 'archive');
    this.temporary = join(folder, 'tmp');
    this.url = options.s3?.url ?? `file://${this.target}`;
    mkdirSync(this.temporary, { recursive: true });
  }

  get tree(): TreeModel {
    return this.#tree;
  }

  /** Makes the source be `after`, touching only what differs. */
  write(after: TreeModel): void {
    updateTree(this.source, this.#tree, after);
    this.#tree = after;
  }

  /** Runs `redup backup` as a user does, with a disk or a machine that does what the plan says. */
  command(time: number, plan: Plan, killAfterMs?: number): Promise<SufferedRun> {
    const fixed = ['--volsize', '1', '--archive-dir', this.archive, '--name', 'cache', '--tempdir', this.temporary];
    return this.run(['backup', '--current-time', `${time}`, ...fixed, this.source, this.url], plan, killAfterMs);
  }

  run(args: readonly string[], plan: Plan, killAfterMs?: number): Promise<SufferedRun> {
    const { encrypted, s3 } = this.options;
    const keys = s3 && { AWS_ACCESS_KEY_ID: s3.server.accessKey, AWS_SECRET_ACCESS_KEY: s3.server.secretKey };
    const server = s3 ? ['--s3-endpoint-url', s3.server.endpoint, '--s3-region-name', 'us-east-1'] : [];
    const secret = encrypted ? [] : ['--no-encryption'];
    return runSuffering(
      [BIN, ...args, ...secret, ...server],
      { folders: [this.target, this.archive, this.temporary], calls: 'effects', ...plan },
      {
        ...(killAfterMs === undefined ? {} : { killAfterMs }),
        env: cleanEnv({ HOME: this.folder, ...(encrypted ? { PASSPHRASE } : {}), ...keys }),
        cwd: this.folder,
      },
    );
  }

  async backup(time: number): Promise<ResumedRun> {
    const events: RedupEvent[] = [];
    const run = (repository: Repository) => repository.backup({ source: this.source, volumeBytes: MIB });
    const result = await this.#with(time, run, (event) => events.push(event));
    return {
      ...result,
      storedNames: events.flatMap((event) => (event.type === 'volume' ? [event.name] : [])),
      warnings: events.flatMap((event) => (event.type === 'warning' ? [event.message] : [])),
    };
  }

  cleanup(force: boolean): Promise<{ readonly files: readonly string[] }> {
    return this.#with(LATER, (repository) => repository.cleanup({ force }));
  }

  /** What a restore gives. Nothing may be reported. */
  async restored(time?: number): Promise<Snapshot> {
    const target = join(this.folder, `restored-${this.#restores++}`);
    const warnings: string[] = [];
    const options = { target, ...(time === undefined ? {} : { time: asTime(time) }) };
    const result = await this.#with(
      LATER,
      (repository) => repository.restore(options),
      (event) => {
        if (event.type === 'warning') warnings.push(event.message);
      },
    );
    expect(warnings).toEqual([]);
    expect(result.problems).toBe(0);
    const tree = readTree(target);
    rmSync(target, { recursive: true, force: true });
    return tree;
  }

  async expectRestores(model: TreeModel, time?: number): Promise<void> {
    expect(diffTrees(snapshotOf(model), await this.restored(time))).toEqual([]);
  }

  /** What belongs to backups in the target, with sizes. A lock that a killed run left is not among it: the next run takes it over. */
  async stored(): Promise<ReadonlyMap<string, number>> {
    const storage = await this.#storage();
    const found = new Map<string, number>();
    for await (const { name, size } of storage.list()) if (name.startsWith('duplicity-')) found.set(name, size);
    await storage.close();
    return new Map([...found].sort());
  }

  /** What a run that ended must not leave: names in the folders that are nobody's. */
  debris(): string[] {
    const inArchive = existsSync(join(this.archive, 'cache')) ? readdirSync(join(this.archive, 'cache')) : [];
    const unfinished = inArchive.filter((name) => /\.part|\.tmp|\.new|\.lock/.test(name));
    const inTarget = existsSync(this.target) ? readdirSync(this.target) : [];
    const foreign = inTarget.filter((name) => !name.startsWith('duplicity-'));
    // A folder whose maker died before it wrote down whose it is goes after an hour, and has nothing in it.
    const temporary = readdirSync(this.temporary).filter((name) => readdirSync(join(this.temporary, name)).length > 0);
    return [...unfinished, ...foreign, ...temporary];
  }

  /** Keeps target and cache as they are now. What it gives takes them back to that. */
  async keep(): Promise<() => Promise<void>> {
    const kept = join(this.folder, 'kept');
    const places = ['target', 'archive'].filter((name) => existsSync(join(this.folder, name)));
    for (const name of places) cpSync(join(this.folder, name), join(kept, name), COPYING);
    const before = this.options.s3 && (await this.stored());
    return async () => {
      for (const name of ['target', 'archive', 'tmp'])
        rmSync(join(this.folder, name), { recursive: true, force: true });
      for (const name of places) cpSync(join(kept, name), join(this.folder, name), COPYING);
      mkdirSync(this.temporary);
      if (before !== undefined) await this.#removeAllBut(before);
    };
  }

  async #removeAllBut(before: ReadonlyMap<string, number>): Promise<void> {
    const storage = await this.#storage();
    await storage.remove([...(await this.stored()).keys()].filter((name) => !before.has(name)));
    await storage.close();
  }

  #storage(): Promise<Storage> {
    const { s3 } = this.options;
    if (s3 === undefined) return FileStorage.open(this.target, { create: 'if-missing' });
    const { endpoint, accessKey: accessKeyId, secretKey: secretAccessKey } = s3.server;
    const credentials = { accessKeyId, secretAccessKey };
    return createS3Storage(s3.url, { endpointUrl: endpoint, region: 'us-east-1', credentials, create: 'if-missing' });
  }

  async #with<T>(
    time: number,
    use: (repository: Repository) => PromiseLike<T>,
    onEvent: (event: RedupEvent) => void = () => {},
  ): Promise<T> {
    const passphrase = Secret.fromText(PASSPHRASE);
    const repository = Repository.open(this.url, {
      storage: await this.#storage(),
      archiveDirectory: this.archive,
      name: 'cache',
      temporaryDirectory: this.temporary,
      workers: 0,
      clock: { now: () => time, sleep: async () => {} },
      onEvent,
      ...(this.options.encrypted
        ? { encryption: { seal: { passphrase, s2kCountOctet: 0 }, open: { passphrase } } }
        : {}),
    });
    try {
      return await use(repository);
    } finally {
      await repository.close();
    }
  }
}

const COPYING = { recursive: true, preserveTimestamps: true };
/** After everything that tests do. */
const LATER = 1_800_000_000;
