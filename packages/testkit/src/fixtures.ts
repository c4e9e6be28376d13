/**
 * The archives of `test-fixtures/`: made once by real releases of duplicity (`scripts/fixtures.mjs`), kept as they
 * were, with what each release itself restored of every time.
 */

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { prepareGpgHome } from './gpg.js';
import type { DuplicityPeerName, OLD_DUPLICITY_PEERS } from './peers.js';
import { cleanEnv, runOk } from './process.js';
import type { Snapshot, SnapshotNode } from './snapshot.js';

export type FixtureMode =
  | 'plain'
  | 'gzip'
  | 'symmetric'
  | 'symmetric-signed'
  | 'public'
  | 'public-signed'
  | 'hidden'
  | 'hidden-signed';

/** `fixture.json` */
export interface FixtureDescription {
  /** Whose archive it is. */
  readonly peer: DuplicityPeerName | (typeof OLD_DUPLICITY_PEERS)[number];
  /** The programs that made it. */
  readonly versions: Readonly<Record<'duplicity' | 'python' | 'librsync' | 'gpg', string>>;
  readonly mode: FixtureMode;
  /** Complete sets, oldest first. */
  readonly sets: readonly FixtureSet[];
}

export interface FixtureSet {
  readonly type: 'full' | 'incremental';
  /** Seconds. */
  readonly time: number;
  /** What duplicity restores of this time. */
  readonly tree: SnapshotJson;
  /** Where that isn't what was backed up, a line each. */
  readonly lost?: readonly string[];
}

export type SnapshotJson = Readonly<Record<string, Omit<SnapshotNode, 'mtimeNs'>>>;

export interface Fixture extends FixtureDescription {
  readonly name: string;
  /** Its folder, with `target/` and, of interrupted backups, `archive/`. Not to be written into. */
  readonly folder: string;
}

export const FIXTURES_FOLDER = fileURLToPath(new URL('../../../test-fixtures/', import.meta.url));

/** What the secret keys in `test-fixtures/keys`, and symmetric archives, are locked with. */
export const FIXTURE_PASSPHRASE = 'fixture';

/** URL and archive directory of all of them are relative, as they were made. */
export const FIXTURE_URL = 'file://target';

export function fixtureNames(): string[] {
  return fs
    .readdirSync(FIXTURES_FOLDER)
    .filter((name) => fs.existsSync(path.join(FIXTURES_FOLDER, name, 'fixture.json')))
    .sort();
}

export function readFixture(name: string): Fixture {
  const folder = path.join(FIXTURES_FOLDER, name);
  const description: FixtureDescription = JSON.parse(fs.readFileSync(path.join(folder, 'fixture.json'), 'utf8'));
  return { ...description, name, folder };
}

/** The secret key file of a fixture's recipient or signer, and its fingerprint. */
export function fixtureKey(name: 'encrypt' | 'sign'): { readonly file: string; readonly fingerprint: string } {
  const place = path.join(FIXTURES_FOLDER, 'keys', name);
  return { file: `${place}.asc`, fingerprint: fs.readFileSync(`${place}.fingerprint`, 'utf8').trim() };
}

/** Puts recipient and signer of the fixtures into a GnuPG home, trusted. */
export async function prepareFixtureKeys(home: string): Promise<void> {
  prepareGpgHome(home);
  const env = cleanEnv({ GNUPGHOME: home });
  for (const { file, fingerprint } of [fixtureKey('encrypt'), fixtureKey('sign')]) {
    await runOk('gpg', ['--batch', '--quiet', '--import', file], { env });
    await runOk('gpg', ['--batch', '--quiet', '--import-ownertrust'], { env, input: `${fingerprint}:6:\n` });
  }
}

export function snapshotToJson(snapshot: Snapshot): SnapshotJson {
  const nodes = [...snapshot].sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(nodes.map(([name, { mtimeNs: _, ...node }]) => [name, node]));
}

export function snapshotOfJson(json: SnapshotJson): Snapshot {
  const entries = Object.entries(json);
  return new Map(entries.map(([name, node]) => [name, { ...node, mtimeNs: BigInt(node.mtime) * 1_000_000_000n }]));
}
