/** `redup.yaml` and `redup run`: real backups, hooks, a real HTTP server for the health check. */

import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { cleanEnv, type RunResult, run, tempDir } from '@redup/testkit';
import { beforeEach, describe, expect, it } from 'vitest';

const BIN = fileURLToPath(new URL('../bin/redup.js', import.meta.url));

let folder: string;

beforeEach(() => {
  folder = tempDir('profiles');
  for (const name of ['a', 'b1', 'b2', 'c']) {
    mkdirSync(`${folder}/src/${name}`, { recursive: true });
    writeFileSync(`${folder}/src/${name}/file`, name);
  }
  writeFileSync(`${folder}/src/a/left.tmp`, '');
  mkdirSync(`${folder}/prom`);
  writeFileSync(`${folder}/home.env`, "PASSPHRASE='very secret'\n", { mode: 0o600 });
});

function redup(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<RunResult> {
  const full = { HOME: folder, XDG_CACHE_HOME: `${folder}/cache`, TMPDIR: folder, ...env };
  return run(process.execPath, [BIN, ...args], { env: cleanEnv(full), cwd: folder });
}

function configure(more = '', sources = `['${folder}/src/a', '${folder}/src/b*']`): void {
  mkdirSync(`${folder}/.config/redup`, { recursive: true });
  const text = `version: 1
profiles:
  home:
    sources: ${sources}
    exclude: ['**.tmp']
    target: file://${folder}/target
    encryption: { passphrase: { env: PASSPHRASE } }
    credentials: { file: ${folder}/home.env }
${more}`;
  writeFileSync(`${folder}/.config/redup/redup.yaml`, text, { mode: 0o600 });
}

describe('redup run', () => {
  it('backs up several sources into one archive, which --profile restores and verifies', async () => {
    configure();
    expect(await redup(['run', 'home'])).toMatchObject({ code: 0, stderr: '' });
    expect(await redup(['verify', '--compare-data', '--profile', 'home'])).toMatchObject({ code: 0, stderr: '' });
    expect(await redup(['restore', '--profile', 'home', 'out'])).toMatchObject({ code: 0, stderr: '' });
    expect(readdirSync(`${folder}/out`).sort()).toEqual(['a', 'b1', 'b2']);
    expect(readdirSync(`${folder}/out/a`)).toEqual(['file']);
    expect(readFileSync(`${folder}/out/b2/file`, 'utf8')).toBe('b2');
  });

  it('keeps what retention says, with each step in JSON', async () => {
    configure('    retention: { keep-full: 1 }\n    cleanup: true\n    options: { volsize: 5 }\n');
    await redup(['full', '--profile', 'home', '--current-time', '1700000000']);
    await redup(['full', '--profile', 'home', '--current-time', '1710000000']);
    const { stdout } = await redup(['run', '--all', '--json']);
    const result = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
    const steps = ['backup', 'remove-all-but-n-full', 'cleanup'].map((command) => ({ command, exitCode: 0 }));
    expect(result).toMatchObject({
      type: 'result',
      command: 'run',
      exitCode: 0,
      profiles: [{ profile: 'home', steps }],
    });
    expect(readdirSync(`${folder}/target`).filter((name) => name.includes('20231114'))).toEqual([]);
  });

  it('runs hooks with results and without secrets, writes metrics and pings', async () => {
    const pings: string[] = [];
    const server = createServer((request, response) => {
      pings.push(request.url ?? '');
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const hooks = (pre: string): string =>
      `    hooks: { pre: '${pre}', post: 'env > ${folder}/post', on-failure: 'env > ${folder}/failed' }
    metrics: { directory: ${folder}/prom }
    healthcheck: { url: 'http://127.0.0.1:${port}/uuid' }\n`;
    try {
      configure(hooks('true'));
      expect((await redup(['run', 'home'], { PASSPHRASE: 'from outside' })).code).toBe(0);
      const post = readFileSync(`${folder}/post`, 'utf8');
      expect(post).toMatch(/^REDUP_EXIT_CODE=0$/m);
      expect(post).toMatch(/^REDUP_BACKUP_TYPE=full$/m);
      expect(post).not.toMatch(/PASSPHRASE|secret|outside/);
      const metrics = readFileSync(`${folder}/prom/redup-home.prom`, 'utf8');
      const success = /^redup_last_success_timestamp_seconds.*$/m.exec(metrics)?.[0];
      expect(success).toBeDefined();
      configure(hooks('exit 7'));
      const failed = await redup(['run', 'home']);
      expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining('exit code 7')]);
      expect(readFileSync(`${folder}/failed`, 'utf8')).toMatch(/^REDUP_EXIT_CODE=1$/m);
      const after = readFileSync(`${folder}/prom/redup-home.prom`, 'utf8');
      expect(after).toContain(success);
      expect(after).toMatch(/^redup_last_exit_code\{profile="home"\} 1$/m);
      expect(readdirSync(`${folder}/prom`)).toEqual(['redup-home.prom']);
      expect(pings).toEqual(['/uuid/start', '/uuid', '/uuid/start', '/uuid/fail']);
    } finally {
      server.close();
    }
  });

  it('stops before a source that is missing, which would be recorded as deleted', async () => {
    configure('', `['${folder}/src/a', '${folder}/gone']`);
    expect(await redup(['run', 'home'])).toMatchObject({
      code: 13,
      stderr: expect.stringContaining('gone is missing'),
    });
    expect(existsSync(`${folder}/target`)).toBe(false);
  });

  it('refuses credentials that others can read, and a configuration that others can write', async () => {
    configure();
    chmodSync(`${folder}/home.env`, 0o644);
    for (const args of [
      ['run', 'home'],
      ['restore', '--profile', 'home', 'out'],
    ]) {
      const { stderr } = await redup(args);
      expect(stderr).toContain('accessible to others');
      expect(stderr).toContain('chmod 600');
      expect(stderr).not.toMatch(/^\s+at /m);
    }
    chmodSync(`${folder}/home.env`, 0o600);
    chmodSync(`${folder}/.config/redup/redup.yaml`, 0o666);
    expect(await redup(['run', 'home'])).toMatchObject({
      code: 23,
      stderr: expect.stringContaining('written by others'),
    });
  });

  it('names file, line and way out for every mistake', async () => {
    configure('    retentoin: { keep-full: 1 }\n    schedule: sometimes\n    options: { json: true }\n');
    const { code, stderr } = await redup(['run', 'home']);
    expect(code).toBe(23);
    expect(stderr).toMatch(/redup\.yaml:9:5: profiles\.home\.retentoin is not known; did you mean retention\?/);
    expect(stderr).toMatch(/redup\.yaml:10:5: profiles\.home\.schedule must be hourly/);
    expect(stderr).toMatch(/redup\.yaml:11:16: profiles\.home\.options\.json is no option/);
  });

  it('backs up a folder that is called run', async () => {
    mkdirSync(`${folder}/run`);
    expect((await redup(['run', `file://${folder}/t`, '--no-encryption'])).code).toBe(0);
  });
});
