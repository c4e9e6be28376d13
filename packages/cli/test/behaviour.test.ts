/** How the command behaves as a process among others: signals, pipes, cron, terminals, odd names, odd homes. Needs the build. */

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  cleanEnv,
  diffTrees,
  file,
  type RunResult,
  readTree,
  run,
  snapshotOf,
  symlink,
  tempDir,
  tree,
  writeTree,
} from '@redup/testkit';
import { beforeEach, describe, expect, it } from 'vitest';

const BIN = fileURLToPath(new URL('../bin/redup.js', import.meta.url));
const NOBODY = 12_345;
const isRoot = process.getuid?.() === 0;

/** Names that would steer a terminal, are wide, right to left, or no UTF-8. */
const ODD = tree({
  'red\x1b[31mname': file('1'),
  'clear\x1b[2J': file('2'),
  'bell\x07\r': file('3'),
  [Buffer.from('日本語 größe 😀', 'utf8').toString('latin1')]: file('4'),
  [Buffer.from('reversed\u202etxt', 'utf8').toString('latin1')]: file('5'),
  'not\xffutf8\x9b31m': file('6'),
  'link\xfe': symlink('not\xffutf8'),
});

let folder: string;
let url: string;

beforeEach(() => {
  folder = tempDir('behaviour');
  url = `file://${folder}/target`;
});

function env(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  return cleanEnv({ HOME: folder, TMPDIR: folder, ...extra });
}

function redup(args: readonly string[], extra: Readonly<Record<string, string>> = {}): Promise<RunResult> {
  return run(process.execPath, [BIN, ...args], { env: env(extra), cwd: folder });
}

async function redupOk(args: readonly string[]): Promise<RunResult> {
  const result = await redup(args);
  expect([args, result.code, result.stderr]).toEqual([args, 0, result.stderr]);
  return result;
}

/** On a pseudo-terminal, which script(1) makes. */
async function onTerminal(args: readonly string[], extra: Readonly<Record<string, string>> = {}): Promise<string> {
  const command = [process.execPath, BIN, ...args].map((arg) => `'${arg}'`).join(' ');
  // Its input stays open: at the end of it script(1) would wait for one that never comes.
  const child = spawn('script', ['-qfec', command, '/dev/null'], {
    env: env({ TERM: 'xterm', ...extra }),
    cwd: folder,
  });
  const parts: Buffer[] = [];
  child.stdout.on('data', (part: Buffer) => parts.push(part));
  await new Promise((resolve) => child.on('close', resolve));
  return Buffer.concat(parts).toString('latin1');
}

describe('signals', () => {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    it(`${signal} ends a backup with ${code}, and the next run goes on with it`, async () => {
      mkdirSync(`${folder}/src`);
      writeFileSync(`${folder}/src/f`, randomBytes(60_000_000));
      const args = ['full', '--no-encryption', '--volsize', '3', '-v', 'info', 'src', url];
      const child = spawn(process.execPath, [BIN, ...args], { cwd: folder, env: env() });
      const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
      let said = '';
      child.stderr.on('data', (chunk: Buffer) => {
        said += chunk;
      });
      await new Promise<void>((resolve) => {
        let output = '';
        child.stdout.on('data', (chunk: Buffer) => {
          output += chunk;
          if (output.includes('Processed volume 2')) resolve();
        });
      });
      child.kill(signal);
      expect([await ended, said]).toEqual([code, expect.stringContaining(`Stopped by ${signal}`)]);
      expect(said).not.toMatch(/^\s+at /m);
      const again = await redupOk(args);
      expect(again.stdout).toMatch(/Going on with the backup of .* after volume [2-9]/);
      await redupOk(['verify', '--compare-data', '--no-encryption', url, 'src']);
    });
  }
});

describe('pipes and cron', () => {
  it('a reader that has seen enough is no error and no noise', async () => {
    mkdirSync(`${folder}/src`);
    for (let i = 0; i < 3000; i++) writeFileSync(`${folder}/src/${'n'.repeat(60)}${i}`, '');
    await redupOk(['full', '--no-encryption', 'src', url]);
    const script = `'${process.execPath}' '${BIN}' list-current-files -v error '${url}' | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = await run('bash', ['-c', script], { env: env(), cwd: folder });
    expect(stdout).toMatch(/^\w{3} \w{3} .* \.\n0\n$/);
    expect(stderr).toBe('');
  });

  it('nothing but errors is said at --verbosity error, whatever else there is to say', async () => {
    writeTree(`${folder}/src`, ODD);
    const quiet = ['--verbosity', 'error', '--no-encryption'];
    const runs = [
      ['backup', ...quiet, 'src', url],
      ['backup', ...quiet, '--full-if-older-than', '1s', '--gio', 'src', url],
      ['verify', ...quiet, '--compare-data', url, 'src'],
      ['restore', ...quiet, url, 'out'],
      ['restore', ...quiet, '--time', '2001-01-01', url, 'out2'],
      ['remove-all-but-n-full', '1', ...quiet, url],
      ['cleanup', ...quiet, url],
    ];
    for (const args of runs) {
      const { code, stdout, stderr } = await redup(args);
      expect([args, code, stdout, stderr]).toEqual([args, 0, '', '']);
    }
    const failed = await redup(['restore', ...quiet, '-r', 'nosuch', url, 'out3']);
    expect([failed.code, failed.stdout]).toEqual([19, '']);
    expect(failed.stderr).toContain('nosuch is not in the backup');
  });
});

describe('terminals', () => {
  it('see colours for errors, unless NO_COLOR; pipes and files see none', async () => {
    const failing = ['restore', '--no-encryption', 'file:///no/such/target', 'out'];
    expect(await onTerminal(failing)).toContain('\x1b[31m');
    expect(await onTerminal(failing, { NO_COLOR: '1' })).not.toContain('\x1b[');
    const piped = await redup([...failing, '--log-file', 'log']);
    expect(piped.stdout + piped.stderr).not.toContain('\x1b');
  });

  it('are not steered by names, and pipes get names as they are', async () => {
    writeTree(`${folder}/src`, ODD);
    for (const args of [
      ['full', '-v', 'info', '--no-encryption', 'src', url],
      ['list-current-files', url],
      ['restore', '-v', 'info', url, 'out'],
      ['collection-status', '--show-changes-in-set', '0', url],
      ['collection-status', '--file-changed', 'red\x1b[31mname', url],
    ]) {
      const output = await onTerminal([...args, '--no-encryption', '--no-progress'], { NO_COLOR: '1' });
      const steering = ['\x1b', '\x07', '\xe2\x80\xae'].filter((bytes) => output.includes(bytes));
      expect([args, steering, output.match(/\r(?!\n)/)]).toEqual([args, [], null]);
      // Python's way to say it, as everywhere in duplicity's logs.
      if (args[0] !== 'collection-status') expect(output).toContain('red\\x1b[31mname');
    }
    const { stdoutBytes } = await redupOk(['list-current-files', url]);
    for (const name of ODD.keys()) expect(stdoutBytes.toString('latin1')).toContain(` ${name === '' ? '.' : name}\n`);
  });
});

describe('names and places', () => {
  it('a source and a target may have names that are no UTF-8', async () => {
    writeTree(`${folder}/plain`, ODD);
    const named = (name: string): Buffer => Buffer.from(`${folder}/${name}`, 'latin1');
    renameSync(named('plain'), named('s\xff'));
    await redupOk(['full', '--no-encryption', '--exclude', 's\xff/bell\x07\r', 's\xff', url]);
    await redupOk(['restore', '--no-encryption', '--exclude', 'red*', url, 'o\xff']);
    await redupOk(['restore', '--no-encryption', '-r', 'not\xffutf8\x9b31m', url, 'one\xff']);
    await redupOk(['verify', '--no-encryption', '--compare-data', '--exclude', 's\xff/bell\x07\r', url, 's\xff']);
    const expected = snapshotOf(
      tree(Object.fromEntries([...ODD].filter(([name]) => name !== '' && !/^bell|^red/.test(name)))),
    );
    const names = readdirSync(folder, 'latin1');
    renameSync(named('o\xff'), named('o'));
    expect(diffTrees(expected, readTree(`${folder}/o`))).toEqual([]);
    expect(names.filter((name) => name.endsWith('\xff')).sort()).toEqual(['one\xff', 'o\xff', 's\xff']);
  });

  it('it works without HOME, and with one that is read-only', async () => {
    writeTree(`${folder}/src`, ODD);
    await redupOk(['full', '--no-encryption', 'src', url]);
    const place = `${folder}/nobody`;
    mkdirSync(`${place}/home`, { recursive: true });
    writeTree(`${place}/src`, tree({ a: file('x') }));
    for (const path of [place, `${place}/src`, `${place}/src/a`]) if (isRoot) chownSync(path, NOBODY, NOBODY);
    chmodSync(folder, 0o755);
    chmodSync(`${place}/home`, 0o555);
    const { PATH = '' } = cleanEnv();
    for (const [index, home] of [{}, { HOME: `${place}/home` }, { HOME: '/nonexistent' }].entries()) {
      for (const args of [
        ['list-current-files', url],
        ['full', '--no-encryption', 'src', `file://${place}/target-${index}`],
        ['inc', '--no-encryption', 'src', `file://${place}/target-${index}`],
        ['restore', '--no-encryption', '--no-restore-ownership', `file://${place}/target-${index}`, `out-${index}`],
      ]) {
        const result = await asNobody(args, { PATH, TMPDIR: place, ...home }, place);
        expect([args, home, result.code, result.stderr]).toEqual([args, home, 0, '']);
        expect(result.stdout).toMatch(/archive directory/);
      }
    }
  });
});

/** As a user of no account: the system knows no home of its own. */
function asNobody(args: readonly string[], environment: Record<string, string>, cwd: string): Promise<RunResult> {
  const command = [process.execPath, BIN, ...args];
  const dropped = ['setpriv', '--reuid', `${NOBODY}`, '--regid', `${NOBODY}`, '--clear-groups', ...command];
  const [program = '', ...rest] = isRoot ? dropped : command;
  return run(program, rest, { env: environment, cwd });
}
