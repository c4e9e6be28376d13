/**
 * Every way to encrypt and sign that duplicity has, through the command and beside real duplicity: full and incremental
 * sets written by either in turn, each going on with what the other left, and every time restored by both.
 *
 * CI plays each mode once, orders and releases of duplicity in turn; `REDUP_ALL_PEERS=1` plays all of them with all.
 */

import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  cleanEnv,
  diffTrees,
  duplicityHome,
  duplicityOk,
  file,
  type GpgHome,
  gpgHome,
  readTree,
  requirePeer,
  run,
  seeded,
  snapshotOf,
  type TreeModel,
  tree,
  updateTree,
  withTempDir,
} from '@redup/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const BIN = fileURLToPath(new URL('../bin/redup.js', import.meta.url));
const FIRST_TIME = 1_700_000_000;

/** One after the other: content grows, goes, and is replaced. The first takes several volumes. */
const STATES: readonly TreeModel[] = [
  tree({ a: file('hello\n'), 'd/b': file(seeded(3, 2_500_000)), gone: file('x') }),
  tree({ a: file('hello again\n', { mtime: 1_600_000_001 }), 'd/b': file(seeded(3, 2_500_000)), 'd/new': file('y') }),
  tree({
    a: file(seeded(4, 90_000), { mtime: 1_600_000_002 }),
    'd/b': file(seeded(3, 2_500_000)),
    'd/new': file('z', { mtime: 1_600_000_003 }),
  }),
];

interface Keys {
  readonly first: string;
  readonly second: string;
  readonly signing: string;
}

interface Mode {
  options(keys: Keys): readonly string[];
  /** PASSPHRASE and SIGN_PASSPHRASE. */
  readonly passphrase?: string;
  readonly signPassphrase?: string;
  /** What gpg says of a stored file: the recipients, and whether it is signed. */
  readonly recipients: (keys: Keys) => readonly string[];
  readonly signer?: (keys: Keys) => string;
}

const ENCRYPTION_PASSPHRASE = 'of the encryption keys';
const SIGNING_PASSPHRASE = 'of the signing key';

const MODES: Readonly<Record<string, Mode>> = {
  'no encryption': { options: () => ['--no-encryption'], recipients: () => [] },
  'a passphrase': { options: () => [], passphrase: 'for everything', recipients: () => [] },
  'a passphrase, signed': {
    options: ({ signing }) => ['--sign-key', signing],
    // Of duplicity's making: it refuses two different ones here.
    passphrase: SIGNING_PASSPHRASE,
    signPassphrase: SIGNING_PASSPHRASE,
    recipients: () => [],
    signer: ({ signing }) => signing,
  },
  'a public key': {
    options: ({ first }) => ['--encrypt-key', first],
    passphrase: ENCRYPTION_PASSPHRASE,
    recipients: ({ first }) => [first],
  },
  'several public keys': {
    options: ({ first, second }) => ['--encrypt-key', first, '--encrypt-key', second],
    passphrase: ENCRYPTION_PASSPHRASE,
    recipients: ({ first, second }) => [first, second],
  },
  'a hidden recipient': {
    options: ({ first }) => ['--hidden-encrypt-key', first],
    passphrase: ENCRYPTION_PASSPHRASE,
    recipients: () => ['0000000000000000'],
  },
  'a public key, signed with the same': {
    options: ({ first }) => ['--encrypt-key', first, '--sign-key', first],
    passphrase: ENCRYPTION_PASSPHRASE,
    signPassphrase: ENCRYPTION_PASSPHRASE,
    recipients: ({ first }) => [first],
    signer: ({ first }) => first,
  },
  'a public key, signed with another': {
    options: ({ first, signing }) => ['--encrypt-key', first, '--sign-key', signing],
    passphrase: ENCRYPTION_PASSPHRASE,
    signPassphrase: SIGNING_PASSPHRASE,
    recipients: ({ first }) => [first],
    signer: ({ signing }) => signing,
  },
  '--encrypt-sign-key': {
    options: ({ first }) => ['--encrypt-sign-key', first],
    passphrase: ENCRYPTION_PASSPHRASE,
    recipients: ({ first }) => [first],
    signer: ({ first }) => first,
  },
  'a hidden recipient, signed': {
    options: ({ first, signing }) => ['--hidden-encrypt-key', first, '--sign-key', signing],
    passphrase: ENCRYPTION_PASSPHRASE,
    signPassphrase: SIGNING_PASSPHRASE,
    recipients: () => ['0000000000000000'],
    signer: ({ signing }) => signing,
  },
};

const PEERS = ['duplicity-current', 'duplicity-debian'] as const;
const FIRSTS = ['redup', 'duplicity'] as const;

let gpg: GpgHome;
let keys: Keys;
/** Key ids as they stand in messages and signatures, by the key they belong to. */
let subkeys: ReadonlyMap<string, readonly string[]>;

beforeAll(async () => {
  gpg = gpgHome();
  const make = (name: string, passphrase: string) => gpg.generateKey(`${name} <${name}@example.org>`, { passphrase });
  keys = {
    first: await make('first', ENCRYPTION_PASSPHRASE),
    second: await make('second', ENCRYPTION_PASSPHRASE),
    signing: await make('signing', SIGNING_PASSPHRASE),
  };
  const listed = (await gpg.run(['--with-colons', '--list-keys'])).stdout.split('pub:').slice(1);
  const idsOf = (text: string) => [...`pub:${text}`.matchAll(/^(?:pub|sub):[^:]*:[^:]*:[^:]*:([0-9A-F]{16}):/gm)];
  subkeys = new Map(
    listed.map((text) => [/^fpr:{9}([0-9A-F]{40}):/m.exec(text)?.[1] ?? '', idsOf(text).map(([, id]) => id ?? '')]),
  );
});

afterAll(() => gpg.dispose());

const everything = Object.keys(MODES).flatMap((mode) =>
  PEERS.flatMap((peer) => FIRSTS.map((first) => ({ mode, peer, first }))),
);
/** One of each mode's four: all four in turn, so that each order meets each release. */
const one = everything.filter((_, index) => index % 4 === Math.floor(index / 4) % 4);
const plays = process.env['REDUP_ALL_PEERS'] === '1' ? everything : one;

describe.each(plays)(
  'with $mode, $first and then the other of redup and $peer',
  ({ mode: name, peer: peerName, first }) => {
    it('go on with each other and restore every time', async (context) => {
      requirePeer(context, 'gpg');
      const peer = requirePeer(context, peerName);
      const mode = MODES[name] as Mode;
      await withTempDir('modes', async (folder) => {
        const [source, url] = [`${folder}/src`, `file://${folder}/target`];
        const home = duplicityHome();
        const secrets = {
          ...(mode.passphrase === undefined ? {} : { PASSPHRASE: mode.passphrase }),
          ...(mode.signPassphrase === undefined ? {} : { SIGN_PASSPHRASE: mode.signPassphrase }),
        };
        const play = async (who: 'redup' | 'duplicity', now: number, args: readonly string[]): Promise<void> => {
          const [command = '', ...rest] = args;
          const all = [command, ...mode.options(keys), ...rest];
          if (who === 'duplicity') {
            const { passphrase, signPassphrase } = mode;
            const given = {
              ...(passphrase === undefined ? {} : { passphrase }),
              ...(signPassphrase === undefined ? {} : { signPassphrase }),
            };
            await duplicityOk(peer, all, { home, gnupgHome: gpg.path, currentTime: now, ...given });
            return;
          }
          const env = cleanEnv({
            HOME: folder,
            XDG_CACHE_HOME: `${folder}/cache`,
            TMPDIR: folder,
            GNUPGHOME: gpg.path,
            ...secrets,
          });
          const result = await run(process.execPath, [BIN, ...all, '--current-time', `${now}`], { env });
          expect([result.code, result.stderr], all.join(' ')).toEqual([0, '']);
        };
        try {
          for (const [set, state] of STATES.entries()) {
            updateTree(source, STATES[set - 1] ?? new Map(), state);
            const who = set % 2 === 0 ? first : first === 'redup' ? 'duplicity' : 'redup';
            await play(who, FIRST_TIME + 1000 * set, [
              set === 0 ? 'full' : 'incremental',
              '--volsize',
              '1',
              source,
              url,
            ]);
          }
          await expectEncryption(folder, mode);
          const later = FIRST_TIME + 1_000_000;
          for (const [set, state] of STATES.entries()) {
            for (const who of set === STATES.length - 1 ? FIRSTS : (['redup'] as const)) {
              const target = `${folder}/${who}-${set}`;
              await play(who, later, ['restore', '--time', `${FIRST_TIME + 1000 * set}`, url, target]);
              expect(diffTrees(snapshotOf(state), readTree(target))).toEqual([]);
            }
          }
          await play('redup', later, ['verify', '--compare-data', url, source]);
        } finally {
          home.dispose();
        }
      });
    });
  },
);

/** gpg is asked what every stored file is: otherwise a mode that had no effect would pass. */
async function expectEncryption(folder: string, mode: Mode): Promise<void> {
  const names = readdirSync(`${folder}/target`);
  // Several volumes of the full set, one of each incremental one, and manifest and signatures of each.
  expect(names.length).toBeGreaterThanOrEqual(2 + 2 + 3 * 2);
  for (const name of names) {
    expect([name, name.endsWith('.gpg')]).toEqual([name, mode.passphrase !== undefined]);
    if (mode.passphrase === undefined) continue;
    const unlock = ['--passphrase', mode.passphrase, '--status-fd', '1', '--output', '/dev/null'];
    const { stdout } = await gpg.run([...unlock, '--decrypt', `${folder}/target/${name}`]);
    expect(stdout).toContain('[GNUPG:] DECRYPTION_OKAY');
    const found = [...stdout.matchAll(/^\[GNUPG:\] ENC_TO ([0-9A-F]{16}) /gm)].map(([, id]) => id ?? '');
    const wanted = mode.recipients(keys);
    expect(found).toHaveLength(wanted.length);
    for (const key of wanted) expect(found.some((id) => (subkeys.get(key) ?? [key]).includes(id))).toBe(true);
    const signed = /^\[GNUPG:\] GOODSIG ([0-9A-F]{16}) /m.exec(stdout)?.[1];
    const signer = mode.signer?.(keys);
    expect(signed === undefined ? undefined : subkeys.get(signer ?? '')?.includes(signed)).toBe(signer && true);
  }
}
