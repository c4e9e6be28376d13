import {
  chmodSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { OpenPgpError, openBytes, openGnupg, openKeys, Secret, sealBytes } from './index.js';
import { KEY_KINDS, TestHome } from './testing/gnupg.js';

const folder = mkdtempSync(join(tmpdir(), 'pgp-secret-'));
const home = new TestHome();
afterAll(() => {
  home.remove();
  rmSync(folder, { recursive: true, force: true });
});

const MARK = 'xyzzy-very-secret-42';

/** Everything a careless log could show of a value. */
function everythingShown(value: unknown): string {
  const own = value instanceof Error ? [value.stack, String(value.cause), JSON.stringify({ ...value })] : [];
  return [String(value), JSON.stringify(value), inspect(value, { depth: 20, showHidden: true }), ...own].join('\n');
}

describe('a secret', () => {
  it('shows itself to nobody', () => {
    const secret = Secret.fromText(MARK);
    for (const shown of [
      everythingShown(secret),
      everythingShown({ secret }),
      `${secret}`,
      everythingShown([secret]),
    ]) {
      expect(shown).not.toContain(MARK);
      expect(shown).toContain('[secret]');
    }
    expect(Object.keys(secret)).toEqual([]);
    expect(() => structuredClone(secret)).not.toThrow();
    expect(inspect(structuredClone(secret))).not.toContain(MARK);
  });

  it('is overwritten when it is wiped', () => {
    const bytes = new TextEncoder().encode(MARK);
    const secret = Secret.fromBytes(bytes);
    secret.wipe();
    expect([...bytes].every((byte) => byte === 0)).toBe(true);
    expect(() => secret.use(() => 0)).toThrow('wiped');
  });

  it('is read from the first line of a file that is its owner’s alone', () => {
    const path = join(folder, 'pass');
    for (const [content, expected] of [
      [`${MARK}\nsecond line\n`, MARK],
      [`${MARK}\r\n`, MARK],
      [MARK, MARK],
      ['\n', ''],
      ['späßchen 1 \n', 'späßchen 1 '],
    ] as const) {
      writeFileSync(path, content, { mode: 0o600 });
      expect(Secret.fromFile(path).equals(Secret.fromText(expected))).toBe(true);
      expect(Secret.fromFd(openSync(path, 'r')).equals(Secret.fromText(expected))).toBe(true);
    }
    symlinkSync(path, join(folder, 'link'));
    expect(Secret.fromFile(join(folder, 'link')).isEmpty).toBe(false);
    for (const mode of [0o640, 0o604, 0o620]) {
      chmodSync(path, mode);
      expect(() => Secret.fromFile(path)).toThrow(expect.objectContaining({ code: 'secret-file', subject: path }));
    }
    expect(() => Secret.fromFile(join(folder, 'none'))).toThrow(expect.objectContaining({ code: 'secret-file' }));
    expect(() => Secret.fromFile(folder)).toThrow(expect.objectContaining({ code: 'secret-file' }));
    expect(() => Secret.fromFd(999)).toThrow(expect.objectContaining({ code: 'secret-file' }));
  });
});

/** A gpg that writes down its arguments and environment, which any user of the machine could list, before it runs. */
function watchedGpg(): { binary: string; seen: () => string } {
  const log = join(folder, 'processes');
  const binary = join(folder, 'watched-gpg');
  writeFileSync(binary, `#!/bin/sh\nprintf '%s\\n' "$@" >>'${log}'\nenv >>'${log}'\nexec gpg "$@"\n`, { mode: 0o755 });
  symlinkSync('/usr/bin/gpgconf', join(folder, 'gpgconf'));
  return { binary, seen: () => readFileSync(log, 'latin1') };
}

describe('a passphrase', () => {
  it('is in no error, whatever fails, and in no argument or environment of gpg', async () => {
    const { fingerprint } = home.generate('secret@example.org', KEY_KINDS['p256'] ?? [], MARK);
    const secret = Secret.fromText(MARK);
    const wrong = Secret.fromText(`${MARK}-wrong`);
    const exported = home.gpg(['--export-secret-keys', fingerprint], '', MARK);
    const shown: string[] = [];
    const fails = async (work: () => Promise<unknown>): Promise<void> => {
      await work().then(
        () => expect.unreachable('should fail'),
        (error: unknown) => {
          expect(error).toBeInstanceOf(OpenPgpError);
          shown.push(everythingShown(error));
        },
      );
    };
    const locked = new TestHome();
    try {
      locked.gpg(['--import'], exported, MARK);
      const { binary, seen } = watchedGpg();
      const good = openGnupg({ home: locked.path, binary, passphrase: secret });
      const message = await sealBytes(Buffer.from('x'), {
        recipients: [await good.recipient(fingerprint)],
        signer: await good.signer(fingerprint),
        compression: 'zip',
      });
      await openBytes(message, { keys: good });
      const file = await openKeys(exported, { passphrase: wrong });
      await fails(() => openBytes(message, { keys: file }));
      await fails(() => file.signer(fingerprint));
      await fails(() => openGnupg({ home: '/nowhere', passphrase: secret }).recipient('x@y.z'));
      const sealed = await sealBytes(Buffer.from('x'), {
        passphrase: secret,
        compression: 'zip',
        s2kCountOctet: 0x10,
      });
      await fails(() => openBytes(sealed, { passphrase: wrong }));
      await fails(() => openBytes(sealed.subarray(0, 30), { passphrase: secret }));
      expect(seen()).toContain('--show-session-key');
      expect(seen()).toContain('--passphrase-fd');
      expect(seen()).not.toContain(MARK);
      expect(shown.join('\n')).not.toContain(MARK);
      expect(shown.length).toBe(5);
    } finally {
      locked.remove();
    }
  });
});

describe('gpg-agent', () => {
  it('that can not be reached is named as the problem', async () => {
    const agentless = new TestHome();
    try {
      const { fingerprint } = agentless.generate('agent@example.org', KEY_KINDS['curve25519'] ?? []);
      const apart = mkdtempSync(join(folder, 'agentless-'));
      const binary = join(apart, 'gpg');
      // A gpg whose gpgconf points at a socket where nobody listens.
      writeFileSync(binary, '#!/bin/sh\nexec gpg "$@"\n', { mode: 0o755 });
      writeFileSync(join(apart, 'gpgconf'), '#!/bin/sh\necho /nowhere/S.gpg-agent\n', { mode: 0o755 });
      const source = openGnupg({ home: agentless.path, binary });
      await expect(source.signer(fingerprint)).rejects.toMatchObject({
        code: 'agent-unreachable',
        subject: '/nowhere/S.gpg-agent',
      });
    } finally {
      agentless.remove();
    }
  });
});

describe('the sources of this package', () => {
  it('write to no console', () => {
    for (const name of readdirSync(import.meta.dirname)) {
      if (!name.endsWith('.ts') || name.endsWith('.test.ts')) continue;
      expect(readFileSync(join(import.meta.dirname, name), 'utf8')).not.toMatch(/console\.|process\.std(out|err)/);
    }
  });
});
