#!/usr/bin/env node
/**
 * Makes archives of test-fixtures/ anew with the releases of duplicity that they are of. As root.
 *
 *   node packages/testkit/scripts/fixtures.mjs make [NAME…]   runs test-fixtures/NAME/make.sh and keeps what it made
 *   node packages/testkit/scripts/fixtures.mjs describe DIR   prints the tree of files in DIR as JSON
 *
 * A release that was missing when a fixture was made can't be replaced by another: the peers must be installed.
 */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const kit = await import(new URL('../dist/index.js', import.meta.url).href);
const [verb, ...names] = process.argv.slice(2);

if (verb === 'describe') {
  console.log(JSON.stringify(kit.snapshotToJson(kit.readTree(names[0]))));
} else if (verb === 'make') {
  await kit.installReleases(console.error, kit.OLD_DUPLICITY_PEERS);
  const all = fs.readdirSync(kit.FIXTURES_FOLDER).filter((name) => fs.existsSync(scriptOf(name)) && name !== 'keys');
  for (const name of names.length > 0 ? names : all) await make(name);
} else {
  console.error('usage: fixtures.mjs make [NAME…] | describe DIR');
  process.exitCode = 2;
}

function scriptOf(name) {
  return path.join(kit.FIXTURES_FOLDER, name, 'make.sh');
}

async function make(name) {
  const script = fs.readFileSync(scriptOf(name), 'utf8');
  const peer = kit.peer(/^# peer: (\S+)$/m.exec(script)[1]);
  if (kit.isMissing(peer)) throw new Error(`${name} needs ${peer.name}: ${peer.missing}`);
  const work = kit.tempDir('fixture');
  const gnupg = path.join(work, 'gnupg');
  const tools = path.join(work, 'tools');
  const room = path.join(work, 'room');
  for (const folder of [tools, room]) fs.mkdirSync(folder);
  await kit.prepareFixtureKeys(gnupg);
  const duplicity = path.join(tools, 'duplicity');
  const command = peer.command.map((word) => `'${word}'`).join(' ');
  fs.writeFileSync(duplicity, `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 });
  const env = {
    ...kit.cleanEnv({ HOME: work, GNUPGHOME: gnupg, TMPDIR: tools, DUPLICITY: duplicity, NODE: process.execPath }),
    FIXTURES: fileURLToPath(import.meta.url),
    ENCRYPT_KEY: kit.fixtureKey('encrypt').fingerprint,
    SIGN_KEY: kit.fixtureKey('sign').fingerprint,
  };
  const whole = `. ${path.join(kit.FIXTURES_FOLDER, 'lib.sh')}; . ${scriptOf(name)}; restore_all`;
  const made = spawnSync('bash', ['-c', whole], { cwd: room, env, stdio: ['ignore', 'inherit', 'inherit'] });
  kit.endAgent(gnupg);
  if (made.status !== 0) {
    const log = path.join(room, 'log');
    if (fs.existsSync(log)) console.error(fs.readFileSync(log, 'utf8').split('\n').slice(-40).join('\n'));
    throw new Error(`${name}: make.sh ended with ${made.status}`);
  }
  keep(name, room, { peer: peer.name, versions: versionsOf(peer, env) });
  kit.removeTempDir(work);
}

function keep(name, room, { peer, versions }) {
  const folder = path.dirname(scriptOf(name));
  const text = (file) => fs.readFileSync(path.join(room, file), 'utf8').trim();
  const json = (file) => JSON.parse(text(file));
  const sets = text('sets')
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [type, time, n] = line.split(' ');
      const tree = json(`restored-${n}.json`);
      const lost = kit.diffTrees(kit.snapshotOfJson(json(`source-${n}.json`)), kit.snapshotOfJson(tree));
      return { type, time: Number(time), tree, ...(lost.length > 0 ? { lost } : {}) };
    });
  const description = { peer, versions, mode: text('mode'), sets };
  fs.writeFileSync(path.join(folder, 'fixture.json'), `${JSON.stringify(description, undefined, 1)}\n`);
  fs.copyFileSync(path.join(room, 'commands.txt'), path.join(folder, 'commands.txt'));
  for (const part of ['target', 'archive']) fs.rmSync(path.join(folder, part), { recursive: true, force: true });
  fs.cpSync(path.join(room, 'target'), path.join(folder, 'target'), { recursive: true });
  const local = path.join(room, 'archive');
  const isPartial = fs.readdirSync(local, { recursive: true }).some((file) => file.includes('.part'));
  if (isPartial) fs.cpSync(local, path.join(folder, 'archive'), { recursive: true });
  const size = fs
    .readdirSync(path.join(folder, 'target'))
    .reduce((sum, file) => sum + fs.statSync(path.join(folder, 'target', file)).size, 0);
  console.log(
    `${name}: ${sets.length} sets, ${size} bytes${sets.some(({ lost }) => lost) ? `; lost: ${sets.flatMap(({ lost }) => lost ?? []).length}` : ''}`,
  );
}

function versionsOf(peer, env) {
  const first = (command, args, pattern) =>
    pattern.exec(spawnSync(command, args, { env, encoding: 'utf8' }).stdout)?.[1] ?? 'unknown';
  const shebang = fs.readFileSync(peer.command[0], 'latin1').slice(0, 200);
  const python = peer.command.length > 1 ? peer.command[0] : (/^#!(\S+)/.exec(shebang)?.[1] ?? 'python3');
  return {
    duplicity: peer.version,
    python: spawnSync(python, ['-c', 'import platform; print(platform.python_version())'], {
      encoding: 'utf8',
    }).stdout.trim(),
    librsync: first('rdiff', ['--version'], /librsync ([\d.]+)/),
    gpg: first('gpg', ['--version'], /gpg \(GnuPG\) (\S+)/),
  };
}
