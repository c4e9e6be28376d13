import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test, vi } from 'vitest';

import { archiveSets, flipBit, hashFiles, listArchive, truncateFile } from './archives.js';
import { contentBytes, seeded } from './content.js';
import { writeTree } from './disk.js';
import { duplicityOk, withDuplicityHome } from './duplicity.js';
import { withGpgHome } from './gpg.js';
import { dropCaches, peakRss, requireRoot, runAsNobody, skipForGood, withSmallDisk } from './machine.js';
import { isMissing, PEER_NAMES, peer, requirePeer, type SkipContext } from './peers.js';
import { run, runOk } from './process.js';
import { withTempDir } from './temp.js';
import { file, tree } from './tree.js';

describe('a program', () => {
  test('gets arguments byte by byte', async () => {
    const args = ['plain', 'sp ace', 'qu\'o"te', '$HOME', '\\', 'new\nline', '\xff\xfe', 'z\xc3\xab', ''];
    const { stdoutBytes } = await runOk('printf', ['%s\\0', ...args]);
    expect(stdoutBytes.toString('latin1').split('\0').slice(0, -1)).toEqual(args);
  });

  test('gives back its exit code, the signal that ended it, and both outputs', async () => {
    const result = await run('bash', ['-c', 'cat; echo oops >&2; exit 3'], { input: 'in' });
    expect(result).toMatchObject({ code: 3, stdout: 'in', stderr: 'oops\n' });
    expect((await run('bash', ['-c', 'kill -TERM $$'])).code).toBe(143);
    await expect(runOk('bash', ['-c', 'echo why >&2; exit 1'])).rejects.toThrow('why');
  });

  test('that hangs is ended', async () => {
    await expect(run('sleep', ['60'], { timeoutMs: 50 })).rejects.toThrow('longer than 50 ms');
  });

  test('that is not there is an error', async () => {
    await expect(run('/no/such/program')).rejects.toThrow('ENOENT');
  });
});

describe('peers', () => {
  test('each is found with its version, or says why not', () => {
    for (const name of PEER_NAMES) {
      const found = peer(name);
      if (isMissing(found)) expect(found.missing).not.toBe('');
      else expect(found.version).not.toBe('');
    }
  });

  test('the releases of duplicity are those that were asked for', (context) => {
    expect(requirePeer(context, 'duplicity-current').version).toBe('3.2.1');
    expect(requirePeer(context, 'duplicity-2').version).toBe('2.2.4');
    expect(requirePeer(context, 'duplicity-1').version).toBe('1.2.3');
    expect(requirePeer(context, 'duplicity-debian').version).toMatch(/^0\.8\./);
  });

  test('a virtual environment that was only half made is not a peer', async () => {
    await withTempDir('half', async (directory) => {
      vi.stubEnv('REDUP_PEERS', directory);
      const lookUp = async (): Promise<string> => {
        vi.resetModules();
        const fresh = await import('./peers.js');
        const found = fresh.peer('duplicity-current');
        return fresh.isMissing(found) ? found.missing : `found ${found.version}`;
      };
      const place = / (\/\S+)$/.exec(await lookUp())?.[1] ?? '';
      expect(path.dirname(place)).toBe(directory);
      fs.mkdirSync(path.join(place, 'bin'), { recursive: true });
      expect(await lookUp()).toContain("can't be started");
      const traceback = '#!/bin/sh\necho from duplicity import nothing\nexit 1\n';
      fs.writeFileSync(path.join(place, 'bin/python3'), traceback, { mode: 0o755 });
      expect(await lookUp()).toContain("doesn't tell its version");
      vi.unstubAllEnvs();
    });
  });

  test('what CI can not provide leaves a mark that its count reads', () => {
    const notes: (string | undefined)[] = [];
    const context: SkipContext = { skip: (note) => notes.push(note), task: { meta: {} } };
    expect(() => skipForGood(context, 'no moon tonight')).toThrow('no moon');
    expect(notes).toEqual(['no moon tonight']);
    expect(context.task?.meta).toEqual({ skippedForGood: 'no moon tonight' });
  });
});

describe('gpg homes', () => {
  test('know only their own keys, and take their agent with them', async (context) => {
    requirePeer(context, 'gpg');
    const { socket, home } = await withGpgHome(async (gpg) => {
      const fingerprint = await gpg.generateKey('Test <test@example.org>', { passphrase: 'secret' });
      expect(fingerprint).toMatch(/^[0-9A-F]{40}$/);
      const sealed = await gpg.run(['--trust-model', 'always', '-e', '-r', fingerprint], { input: 'hello' });
      const opened = await gpg.run(['--passphrase', 'secret', '-d'], { input: sealed.stdoutBytes });
      expect(opened.stdout).toBe('hello');
      const listed = await gpg.run(['--with-colons', '--list-keys']);
      expect(listed.stdout.match(/^pub:/gm)).toHaveLength(1);
      const where = await runOk('gpgconf', ['--list-dirs', 'agent-socket'], { env: gpg.env });
      return { socket: where.stdout.trim(), home: gpg.path };
    });
    expect(fs.existsSync(home)).toBe(false);
    expect(fs.existsSync(socket)).toBe(false);
  });

  test('make elliptic keys', async (context) => {
    requirePeer(context, 'gpg');
    await withGpgHome(async (gpg) => {
      await gpg.generateKey('Curve <curve@example.org>', { algorithm: 'ed25519' });
      const listed = await gpg.run(['--with-colons', '--list-keys']);
      expect(listed.stdout).toMatch(/^sub:.*:cv25519:/m);
    });
  });
});

describe('the machine', () => {
  test('tells the peak memory of a program', async (context) => {
    requirePeer(context, 'time');
    const measured = await peakRss(process.execPath, ['-e', 'Buffer.alloc(100 << 20, 1); process.exitCode = 4']);
    expect(measured.code).toBe(4);
    expect(measured.peakBytes).toBeGreaterThan(100 << 20);
    expect(measured.peakBytes).toBeLessThan(250 << 20);
  });

  test('has a disk that gets full', async (context) => {
    const mounted = await withSmallDisk(context, 1 << 20, (disk) => {
      expect(() => fs.writeFileSync(path.join(disk, 'big'), Buffer.alloc(2 << 20))).toThrow('ENOSPC');
      return disk;
    });
    expect(fs.readdirSync(mounted)).toEqual([]);
  });

  test('runs programs as a user whom modes keep out', async (context) => {
    requireRoot(context, 'changes the user');
    await withTempDir('nobody', async (directory) => {
      fs.chmodSync(directory, 0o755);
      const secret = path.join(directory, 'secret');
      fs.writeFileSync(secret, 'x', { mode: 0o600 });
      const { code, stderr } = await runAsNobody('cat', [secret]);
      expect(code).toBe(1);
      expect(stderr).toContain('Permission denied');
    });
  });

  test('forgets what it has read', (context) => {
    requireRoot(context, 'writes to /proc/sys');
    const lockFile = fileURLToPath(new URL('../../../package-lock.json', import.meta.url));
    const readFromDisk = (): number =>
      Number(/^read_bytes: (\d+)/m.exec(fs.readFileSync('/proc/self/io', 'utf8'))?.[1]);
    const { length } = fs.readFileSync(lockFile);
    dropCaches();
    const before = readFromDisk();
    fs.readFileSync(lockFile);
    expect(readFromDisk() - before).toBeGreaterThanOrEqual(length);
  });
});

describe('an archive', () => {
  test('is told apart by the names of its files', async (context) => {
    const duplicity = requirePeer(context, 'duplicity-current');
    await withTempDir('names', async (work) => {
      const source = path.join(work, 'source');
      const target = path.join(work, 'target');
      writeTree(source, tree({ big: file(seeded(1, 3 << 20)) }));
      await withDuplicityHome(async (home) => {
        const common = { home, passphrase: 'secret' };
        const args = ['--volsize', '1', source, `file://${target}`];
        await duplicityOk(duplicity, ['full', ...args], { ...common, currentTime: 1_700_000_000 });
        await duplicityOk(duplicity, ['incremental', ...args], { ...common, currentTime: 1_700_000_010 });
      });
      fs.writeFileSync(path.join(target, 'notes.txt'), 'mine');
      const full = { kind: 'full', start: 1_700_000_000, end: 1_700_000_000, hasManifest: true, hasSignatures: true };
      const increment = { ...full, kind: 'incremental', end: 1_700_000_010, volumes: [1] };
      const sets = archiveSets(target);
      expect(sets).toMatchObject([full, increment]);
      expect(sets[0]?.volumes.length).toBeGreaterThan(1);
      expect(listArchive(target).every(({ suffix, size }) => suffix === '.gpg' && size > 0)).toBe(true);
    });
  });

  test('can be damaged, and a hash of its files tells which', async () => {
    await withTempDir('damage', (directory) => {
      for (const name of ['flipped', 'cut', 'kept']) {
        fs.writeFileSync(path.join(directory, name), contentBytes(seeded(3, 999)));
      }
      const before = hashFiles(directory);
      flipBit(path.join(directory, 'flipped'));
      truncateFile(path.join(directory, 'cut'));
      const after = hashFiles(directory);
      expect([...before.keys()].filter((name) => before.get(name) !== after.get(name))).toEqual(['cut', 'flipped']);
      expect(fs.statSync(path.join(directory, 'flipped')).size).toBe(999);
      expect(fs.statSync(path.join(directory, 'cut')).size).toBe(499);
    });
  });
});
