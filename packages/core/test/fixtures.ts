/**
 * The archives of `test-fixtures/` opened by redup: a copy of the target, the keys, and what else their making says.
 * See fixtures.test.ts.
 */

import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openKeys, Secret } from '@redup/openpgp';
import { FileStorage } from '@redup/storage';
import {
  FIXTURE_PASSPHRASE,
  FIXTURE_URL,
  FIXTURES_FOLDER,
  type Fixture,
  type FixtureMode,
  fixtureKey,
  runOk,
} from '@redup/testkit';
import { type RedupEvent, Repository, type RepositoryOptions } from '../src/index.js';
import { fixedClock } from './support.js';

/** Behind the last set of every fixture. */
export const AFTERWARDS = 1_700_500_000;

/** Written with options that a reader has to know. */
const NAMING: Readonly<Record<string, Partial<RepositoryOptions>>> = {
  'old-names': { timeSeparator: '_' },
  '3.2.1-prefixes': { prefixes: { all: 'p.', archive: 'a.', manifest: 'm.', signature: 's.' } },
};

/** The same for duplicity's command line. */
export const NAMING_ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  'old-names': ['--time-separator', '_'],
  '3.2.1-prefixes':
    '--file-prefix p. --file-prefix-archive a. --file-prefix-manifest m. --file-prefix-signature s.'.split(' '),
};

export interface OpenFixture {
  readonly repository: Repository;
  readonly events: RedupEvent[];
}

/** Copies a fixture into `folder`, where it may be changed: `target`, and `archive` if it has one. */
export function copyFixture(fixture: Fixture, folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const part of ['target', 'archive']) {
    const from = join(fixture.folder, part);
    if (existsSync(from)) cpSync(from, join(folder, part), { recursive: true });
  }
}

export async function openFixture(
  fixture: Fixture,
  folder: string,
  options: Partial<RepositoryOptions> = {},
): Promise<OpenFixture> {
  const events: RedupEvent[] = [];
  const encryption = await encryptionOf(fixture.mode);
  const repository = Repository.open(FIXTURE_URL, {
    storage: await FileStorage.open(join(folder, 'target')),
    archiveDirectory: join(folder, 'archive'),
    workers: 0,
    compression: fixture.mode === 'plain' ? 'none' : { level: 1 },
    clock: fixedClock(AFTERWARDS),
    onEvent: (event) => events.push(event),
    ...(encryption === undefined ? {} : { encryption }),
    ...NAMING[fixture.name],
    ...options,
  });
  return { repository, events };
}

async function encryptionOf(mode: FixtureMode): Promise<RepositoryOptions['encryption']> {
  if (mode === 'plain' || mode === 'gzip') return undefined;
  const passphrase = Secret.fromText(FIXTURE_PASSPHRASE);
  const [encrypt, sign] = [fixtureKey('encrypt'), fixtureKey('sign')];
  const armour = [encrypt, sign].map(({ file }) => readFileSync(file, 'latin1')).join('\n');
  const keys = await openKeys(Buffer.from(armour, 'latin1'), { passphrase });
  const isSigned = mode.endsWith('signed');
  const signer = isSigned ? { signer: await keys.signer(sign.fingerprint) } : {};
  const trusted = isSigned ? { requireSigner: await keys.trustedSigner(sign.fingerprint) } : {};
  const recipient = mode.startsWith('symmetric') ? [] : [await keys.recipient(encrypt.fingerprint)];
  return {
    seal: {
      ...signer,
      ...(mode.startsWith('symmetric') ? { passphrase } : {}),
      ...(mode.startsWith('public') ? { recipients: recipient } : {}),
      ...(mode.startsWith('hidden') ? { hiddenRecipients: recipient } : {}),
    },
    open: { ...trusted, keys, ...(mode.startsWith('symmetric') ? { passphrase } : {}) },
  };
}

/** The source as it was at the last backup, made by the same commands: `folder/source`. Root only. */
export async function makeSource(fixture: Fixture, folder: string): Promise<string> {
  const script = [
    `. ${join(FIXTURES_FOLDER, 'lib.sh')}`,
    'mode() { :; }; backup() { :; }; interrupted() { :; }',
    `. ${join(fixture.folder, 'make.sh')}`,
  ].join('\n');
  await runOk('bash', ['-c', script], { cwd: folder });
  return join(folder, 'source');
}
