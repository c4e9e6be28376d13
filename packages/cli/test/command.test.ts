/**
 * `bin/redup.js` as users start it, beside duplicity on the same archives: what it prints, writes, and how it ends.
 * Needs the build (`npm test` makes it).
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  cleanEnv,
  diffTrees,
  duplicityOk,
  fifo,
  file,
  type RunResult,
  readTree,
  requirePeer,
  run,
  seeded,
  snapshotOf,
  symlink,
  type TreeModel,
  tempDir,
  tree,
  withDuplicityHome,
  writeTree,
} from '@redup/testkit';
import { beforeEach, describe, expect, it } from 'vitest';

const BIN = fileURLToPath(new URL('../bin/redup.js', import.meta.url));

const MODEL: TreeModel = tree({
  a: file('hello\n'),
  'd/big': file(seeded(1, 300_000)),
  'd/with blank': file('x', { mode: 0o600 }),
  'new\nline': file('y'),
  'not\xffutf8': file('z'),
  link: symlink('a'),
  pipe: fifo(),
});

let folder: string;
let url: string;

beforeEach(() => {
  folder = tempDir('command');
  url = `file://${folder}/target`;
  writeTree(`${folder}/src`, MODEL);
});

function redup(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<RunResult> {
  const full = { HOME: folder, XDG_CACHE_HOME: `${folder}/cache`, TMPDIR: folder, ...env };
  return run(process.execPath, [BIN, ...args], { env: cleanEnv(full), cwd: folder });
}

async function redupOk(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<RunResult> {
  const result = await redup(args, env);
  if (result.code !== 0)
    throw new Error(`redup ${args.join(' ')} ended with ${result.code}\n${result.stdout}\n${result.stderr}`);
  return result;
}

describe('redup', () => {
  it('backs up, lists, verifies and restores in the syntax of 3.x and of 0.8', async () => {
    const env = { PASSPHRASE: 'secret' };
    await redupOk(['backup', '--volsize', '1', 'src', url], env);
    await redupOk(['src', url], env);
    await redupOk(['--no-print-statistics', 'inc', 'src', url], env);
    expect((await redupOk(['st', url], env)).stdout).toContain('Number of contained backup sets: 3');
    expect((await redupOk(['verify', '--compare-data', url, 'src'], env)).stdout).toContain(', 0 difference(s) found.');
    await redupOk(['restore', '-t', 'now', url, 'out'], env);
    await redupOk([url, 'out2'], env);
    for (const place of ['out', 'out2'])
      expect(diffTrees(snapshotOf(MODEL), readTree(join(folder, place)))).toEqual([]);
    await redupOk(['restore', '--file-to-restore', 'd/big', url, 'one'], env);
    expect(readFileSync(join(folder, 'one'))).toEqual(readFileSync(join(folder, 'src/d/big')));
  });

  for (const name of ['duplicity-current', 'duplicity-debian'] as const) {
    it(`lists files and chains in the words of ${name}`, async (context) => {
      const peer = requirePeer(context, name);
      await withDuplicityHome(async (home) => {
        const target = ['--archive-dir', home.archiveDir, url];
        await redupOk(['full', '--no-encryption', 'src', ...target]);
        const ours = await redupOk(['list-current-files', '--log-file', `${folder}/log`, ...target]);
        const theirs = await duplicityOk(peer, ['list-current-files', url], { home });
        expect(listed(ours.stdoutBytes)).toEqual(listed(theirs.stdoutBytes));
        expect(readFileSync(`${folder}/log`, 'latin1')).toContain(
          `INFO 10 20200913T122640Z 'new\\nline' reg\n. Sun Sep 13 12:26:40 2020 new\n. line\n\n`,
        );
        await duplicityOk(peer, ['full', join(folder, 'src'), url, '--allow-source-mismatch'], { home });
        const status = (await redupOk(['collection-status', ...target])).stdout;
        expect(wording(status)).toEqual(
          wording((await duplicityOk(peer, ['collection-status', url], { home })).stdout),
        );
      });
    });

    it(`prints the statistics of ${name}`, async (context) => {
      const peer = requirePeer(context, name);
      const theirs = await duplicityOk(peer, ['full', join(folder, 'src'), url]);
      const ours = await redupOk(['full', '--no-encryption', 'src', `${url}2`]);
      const fields = (text: string): string[] =>
        text.split('\n').filter((line) => /^(-{3}|[A-Z]\w+ \d)/.test(line) && !CHANGING.test(line));
      expect(fields(ours.stdout)).toEqual(fields(theirs.stdout));
      expect(fields(ours.stdout)).toHaveLength(13);
    });

    it(`names differences in the words of ${name}`, async (context) => {
      const peer = requirePeer(context, name);
      await redupOk(['full', '--no-encryption', 'src', url]);
      writeFileSync(`${folder}/src/a`, 'other\n');
      writeFileSync(`${folder}/src/d/new`, '');
      const ours = await redup(['verify', '--compare-data', url, 'src']);
      const theirs = await withDuplicityHome((home) =>
        run(peer.command[0], [
          ...peer.command.slice(1),
          'verify',
          '--compare-data',
          '--no-encryption',
          '--archive-dir',
          home.archiveDir,
          url,
          join(folder, 'src'),
        ]),
      );
      const differences = (text: string): string[] =>
        text.split('\n').filter((line) => line.startsWith('Difference found'));
      expect([ours.code, theirs.code]).toEqual([1, 1]);
      expect(differences(ours.stdout)).toEqual(differences(theirs.stdout));
      expect(differences(ours.stdout)).toHaveLength(3);
    });
  }

  it('ends with the codes of duplicity, one message, a way out and no stack trace', async () => {
    await redupOk(['full', 'src', url], { PASSPHRASE: 'secret' });
    mkdirSync(`${folder}/full-folder/x`, { recursive: true });
    const cases: [code: number, text: string, args: string[], env?: Record<string, string>][] = [
      [23, 'Unknown option', ['full', '--bogus', 'src', url]],
      [23, 'is no URL', ['restore', 'src', url]],
      [23, 'Bad time string', ['restore', '-t', 'yesterday', url, 'out']],
      [13, 'does not exist', ['full', '--no-encryption', 'nothing', url]],
      [13, 'Did you mean the command collection-status?', ['--no-encryption', 'status', url]],
      [13, 'Did you mean the command verify?', ['--no-encryption', 'verfy', url]],
      [11, 'full-folder', ['restore', url, 'full-folder']],
      [20, 'no backup', ['restore', `file://${folder}/src`, 'out']],
      [52, 'nowhere', ['restore', 'file:///nowhere/at/all', 'out']],
      [19, 'not in the backup', ['restore', '-r', 'no/such', url, 'out'], { PASSPHRASE: 'secret' }],
      [31, 'passphrase', ['restore', '--archive-dir', 'fresh', url, 'out'], { PASSPHRASE: 'wrong' }],
      [31, 'no terminal to ask on', ['full', 'src', `${url}3`]],
      [17, 'no backup that an incremental', ['incremental', '--no-encryption', 'src', `${url}4`]],
      [23, 'no storage for', ['full', '--no-encryption', 'src', 'ftp://u:hidden@h/x']],
    ];
    for (const [code, text, args, env] of cases) {
      const result = await redup(args, env);
      expect([args.join(' '), result.code, result.stderr.includes(text) ? text : result.stderr]).toEqual([
        args.join(' '),
        code,
        text,
      ]);
      expect(result.stderr).not.toMatch(/^\s+at |hidden/m);
      expect(result.stderr.trimEnd().split('\n').length).toBeLessThanOrEqual(3);
    }
  });

  it('writes one JSON object a line and nothing else when asked to', async () => {
    for (const args of [
      ['full', '--no-encryption', 'src', url],
      ['ls', url],
      ['st', url],
      ['verify', url, 'src'],
    ]) {
      const { stdout } = await redupOk([...args, '--json']);
      const objects = stdout
        .trimEnd()
        .split('\n')
        .map((line): { type: string } => JSON.parse(line));
      expect(objects[0]).toMatchObject({ type: 'start', schema: 1 });
      expect(objects.at(-1)).toMatchObject({ type: 'result', exitCode: 0 });
      if (args[0] === 'ls')
        expect(objects).toContainEqual(
          expect.objectContaining({
            type: 'entry',
            pathBase64: Buffer.from('not\xffutf8', 'latin1').toString('base64'),
          }),
        );
    }
    const failed = await redup(['restore', url, 'src', '--json']);
    expect(JSON.parse(failed.stdout.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({
      type: 'error',
      code: 'TARGET_NOT_EMPTY',
      exitCode: 11,
    });
  });

  it('says nothing on success at --verbosity error', async () => {
    const { stdout, stderr } = await redupOk(['full', '-v0', '--no-encryption', 'src', url]);
    expect(stdout + stderr).toBe('');
  });

  it('stops at a signal with its code, and the next run is not hindered by what is left', async () => {
    mkdirSync(`${folder}/large`);
    writeFileSync(`${folder}/large/f`, randomBytes(100_000_000));
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      const child = spawn(
        process.execPath,
        [BIN, 'full', '--no-encryption', '--volsize', '5', '-v5', 'large', `${url}-${signal}`],
        {
          cwd: folder,
          env: cleanEnv({ HOME: folder, XDG_CACHE_HOME: `${folder}/cache-${signal}` }),
        },
      );
      const ended = exitOf(child);
      await said(child, 'Processed volume 1');
      child.kill(signal);
      expect((await ended).code).toBe(code);
    }
    await redupOk(['full', '--no-encryption', 'large', `${url}-SIGINT`]);
    await redupOk(['verify', '--compare-data', `${url}-SIGINT`, 'large']);
  });

  it('asks for a passphrase on a terminal, twice for a new target, and shows none of it', async (context) => {
    const { code, output } = await onTerminal(
      ['full', 'src', url],
      ['first\n', 'fisrt\n', 'once more\n', 'once more\n'],
    );
    expect(output).toContain('They differ');
    expect(output).not.toMatch(/first|fisrt|once more\r/);
    expect(code, context.task.name).toBe(0);
    await redupOk(['verify', url, 'src'], { PASSPHRASE: 'once more' });
  });

  it('shows its progress on a terminal and takes it away at the end', async () => {
    mkdirSync(`${folder}/large`);
    for (let i = 0; i < 20; i++) writeFileSync(`${folder}/large/${i}`, randomBytes(2_000_000));
    const { code, output } = await onTerminal(['full', '--no-encryption', 'large', url], []);
    expect(code).toBe(0);
    expect(output).toMatch(/\r\d:\d\d {2}backing up .* files {2}.*MB/);
    const statistics = output.indexOf('[ Backup Statistics ]');
    expect(output.slice(0, statistics)).toMatch(/\r.\[K-+$/);
    expect(output.slice(statistics)).not.toContain('backing up');
  });

  it('does what its README shows', async () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const [, example = ''] = /```sh\n([^`]*)```/.exec(readme) ?? [];
    writeTree(`${folder}/documents`, MODEL);
    const script = `set -e\nredup() { '${process.execPath}' '${BIN}' "$@"; }\n${example}`;
    const env = cleanEnv({ HOME: folder, XDG_CACHE_HOME: `${folder}/cache` });
    const result = await run('bash', ['-c', script], { env, cwd: folder });
    expect([result.code, result.stderr]).toEqual([0, '']);
    expect(diffTrees(snapshotOf(MODEL), readTree(`${folder}/restored`))).toEqual([]);
  });

  it('starts quickly: help and version need no engine', async () => {
    const began = performance.now();
    await redupOk(['--version']);
    // The machine may be busy; what is tested is the order of magnitude.
    expect(performance.now() - began).toBeLessThan(1500);
  });
});

/** What depends on the time, or on how well it compresses. */
const CHANGING = /^(StartTime|EndTime|ElapsedTime|TotalDestinationSizeChange)/;

/** The lines of entries, as bytes; those above and below differ between releases. */
function listed(stdout: Buffer): string {
  const text = stdout.toString('latin1');
  const start = text.search(/^\w{3} \w{3} [ \d]\d [\d:]{8} \d{4} \.$/m);
  return text.slice(start).replace(/Duplicity backup complete\.\n$/, '');
}

/** 0.8 writes `chains` and `sets` where 3.x writes `chain(s)` and `set(s)`. */
function wording(text: string): string[] {
  const start = text.indexOf('Collection Status');
  const lines = text.slice(start).replace('Duplicity backup complete.\n', '').split('\n');
  return lines.map((line) =>
    line.replace(/(chain|set)(\(s\)|s)?/g, '$1s').replace(/^Archive dir: .*\/(\w+)$/, 'Archive dir: $1'),
  );
}

function exitOf(child: ChildProcess): Promise<{ code: number | null }> {
  return new Promise((resolve) => child.on('close', (code) => resolve({ code })));
}

function said(child: ChildProcess, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = '';
    child.on('close', () => reject(new Error(`it ended without saying ${text}: ${output}`)));
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk;
      if (output.includes(text)) resolve();
    });
  });
}

/** Runs redup on a pseudo-terminal (script(1) makes one) and types an answer whenever it asks. */
function onTerminal(
  args: readonly string[],
  answers: readonly string[],
): Promise<{ code: number | null; output: string }> {
  const command = [process.execPath, BIN, ...args].map((arg) => `'${arg}'`).join(' ');
  const env = cleanEnv({ HOME: folder, XDG_CACHE_HOME: `${folder}/cache`, TERM: 'xterm' });
  const child = spawn('script', ['-qfec', command, '/dev/null'], { cwd: folder, env });
  const left = [...answers];
  let output = '';
  let answered = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk;
    const asked = output.match(/(with|again): /g)?.length ?? 0;
    if (asked > answered) {
      answered = asked;
      setTimeout(() => child.stdin.write(left.shift() ?? ''), 100);
    }
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })));
}
