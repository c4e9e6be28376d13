/** Temporary files and the cache: nobody else reads them, and what a killed run left is removed by the next. Needs the build. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { file, seeded, tree } from '@redup/testkit';
import { expect, test } from 'vitest';
import { type World, withWorld } from './world.js';

const CORE = fileURLToPath(new URL('../dist/index.js', import.meta.url));

function temporaryOf(world: World): string {
  const temporaryDirectory = join(world.folder, 'tmp');
  mkdirSync(temporaryDirectory, { recursive: true });
  return temporaryDirectory;
}

/** A backup in a process of its own, killed while its first volume is stored. */
async function killedBackup(world: World, temporaryDirectory: string): Promise<void> {
  const script = `
    import { FileStorage, Repository } from ${JSON.stringify(CORE)};
    const target = await FileStorage.open(${JSON.stringify(world.target)}, { create: 'if-missing' });
    const put = (name, ...rest) => name.includes('vol2') ? new Promise(() => { process.stdout.write('now'); setInterval(() => {}, 1000); }) : target.put(name, ...rest);
    // As a storage far away, for which volumes wait in the temporary folder.
    const storage = new Proxy(target, { get: (_, key) => {
      if (key === 'put' || key === 'stagingDirectory') return key === 'put' ? put : undefined;
      return typeof target[key] === 'function' ? target[key].bind(target) : target[key];
    } });
    const options = { storage, workers: 0, archiveDirectory: ${JSON.stringify(world.archive)}, temporaryDirectory: ${JSON.stringify(temporaryDirectory)} };
    await Repository.open(${JSON.stringify(`file://${world.target}`)}, options).backup({ source: ${JSON.stringify(world.source)}, volumeBytes: 1048576 });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
}

test('a killed run leaves a folder that the next one removes, whatever it does', async () => {
  await withWorld('gzip', async (world) => {
    const temporaryDirectory = temporaryOf(world);
    world.write(tree({ big: file(seeded(1, 3_000_000)) }));
    await killedBackup(world, temporaryDirectory);
    const left = readdirSync(temporaryDirectory);
    expect(left.filter((name) => /^redup-\w{6}$/.test(name))).toHaveLength(1);
    for (const name of left) expect(lstatSync(join(temporaryDirectory, name)).mode & 0o777).toBe(0o700);
    world.now = Math.floor(Date.now() / 1000);
    await world.backup({}, { temporaryDirectory });
    expect(readdirSync(temporaryDirectory)).toEqual([]);
    await world.expectRestores(undefined, undefined, { temporaryDirectory });
  });
});

test('folders of others, of running processes, links and files of that name stay', async () => {
  await withWorld('gzip', async (world) => {
    const temporaryDirectory = temporaryOf(world);
    const at = (name: string) => join(temporaryDirectory, name);
    mkdirSync(at('redup-aaaaaa'));
    writeFileSync(at('redup-aaaaaa/content'), 'somebody’s');
    utimesSync(at('redup-aaaaaa'), 1, 1);
    mkdirSync(at('redup-bbbbbb'));
    mkdirSync(at('precious'));
    writeFileSync(at('precious/owner'), JSON.stringify({ pid: 4_194_303, host: 'x', started: '1' }));
    symlinkSync('precious', at('redup-cccccc'));
    writeFileSync(at('redup-dddddd'), 'a file');
    mkdirSync(at('redup-eeeeee'));
    writeFileSync(at('redup-eeeeee/owner'), JSON.stringify({ pid: 1, host: 'another', started: '1' }));
    mkdirSync(at('redup-old000'));
    utimesSync(at('redup-old000'), 1, 1);
    const before = readdirSync(temporaryDirectory);
    world.write(tree({ a: file('a') }));
    await world.backup({}, { temporaryDirectory });
    expect(readdirSync(temporaryDirectory)).toEqual(before.filter((name) => name !== 'redup-old000'));
    expect(existsSync(at('precious/owner'))).toBe(true);
  });
});

test('the cache, its lock and temporary files are for their owner alone', async () => {
  await withWorld('symmetric', async (world) => {
    const temporaryDirectory = temporaryOf(world);
    world.write(tree({ a: file('a'), big: file(seeded(2, 3_000_000)) }));
    const modes = new Map<string, number>();
    const look = (folder: string) => {
      if (!existsSync(folder)) return;
      for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
        modes.set(join(entry.parentPath, entry.name), lstatSync(join(entry.parentPath, entry.name)).mode & 0o077);
    };
    await world.backup(
      { volumeBytes: 1 << 20 },
      {
        temporaryDirectory,
        onEvent: () => {
          look(world.archive);
          look(temporaryDirectory);
        },
      },
    );
    expect(modes.size).toBeGreaterThan(5);
    // Volumes that wait for their upload lie in a folder that nobody else enters.
    const open = [...modes].filter(([path, mode]) => mode !== 0 && !/redup-\w{6}\/.*vol/.test(path));
    expect(open).toEqual([]);
  });
});
