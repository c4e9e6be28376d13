/**
 * Archives that real releases of duplicity made (`test-fixtures/`): redup lists, restores and verifies every time of
 * each as the release itself does, and goes on with each so that the release restores the result.
 */

import { join } from 'node:path';
import {
  diffTrees,
  duplicityHome,
  duplicityOk,
  FIXTURE_PASSPHRASE,
  type Fixture,
  fixtureKey,
  fixtureNames,
  isMissing,
  type Peer,
  peer,
  prepareFixtureKeys,
  readFixture,
  readTree,
  requirePeer,
  requireRoot,
  runOk,
  type SkipContext,
  type Snapshot,
  snapshotOfJson,
  withTempDir,
} from '@redup/testkit';
import { describe, expect, test } from 'vitest';
import { asTime, fromText, toText } from '../src/index.js';
import { AFTERWARDS, copyFixture, makeSource, NAMING_ARGUMENTS, openFixture } from './fixtures.js';
import { warnings } from './support.js';

const FIXTURES = fixtureNames().map(readFixture);
const COMPLETE = FIXTURES.filter(({ name }) => !name.includes('interrupted'));
const INTERRUPTED = FIXTURES.filter(({ name }) => name.includes('interrupted'));

/** Two names became one in the volumes: what comes back can't be the tree. */
const AMBIGUOUS = 'gnu-tar-replaced-names';

/** A start of duplicity takes half a second: every run takes one fixture of each release and mode, REDUP_INTEROP=all all of them. */
const ALL = process.env['REDUP_INTEROP'] === 'all';
const IN_EVERY_RUN = new Set([
  'gnu-tar-python-3.7',
  'short-names',
  '0.8.22-public-signed',
  '0.8.22-interrupted-incremental',
  '1.2.3-plain-volumes',
  '2.2.4-hidden-signed',
  '3.0.7-public',
  '3.2.1-symmetric-chains',
  '3.2.1-interrupted-full',
  'odd-manifests',
]);
const continued = (fixtures: readonly Fixture[]) => fixtures.filter(({ name }) => ALL || IN_EVERY_RUN.has(name));

describe.each(COMPLETE.filter(({ name }) => name !== AMBIGUOUS))('$name', (fixture) => {
  test('every time is listed and restored as duplicity restores it', async (context) => {
    requireRoot(context, 'the trees have foreign owners and devices');
    await withTempDir('fixture', async (folder) => {
      copyFixture(fixture, folder);
      for (const [i, { time, tree }] of fixture.sets.entries()) {
        const expected = snapshotOfJson(tree);
        expect(await listed(fixture, folder, time)).toEqual([...expected.keys()].sort());
        const { repository, events } = await openFixture(fixture, folder);
        const target = join(folder, `restored-${i}`);
        const { problems } = await repository.restore({ target, time: asTime(time) });
        expect(warnings(events)).toEqual([]);
        expect(problems).toBe(0);
        expect(diffTrees(expected, readTree(target))).toEqual([]);
      }
    });
  });

  test('single files and folders come back, and the whole is verified against a restored tree', async (context) => {
    requireRoot(context, 'the trees have foreign owners and devices');
    await withTempDir('fixture', async (folder) => {
      copyFixture(fixture, folder);
      const last = snapshotOfJson(fixture.sets.at(-1)?.tree ?? expect.unreachable());
      for (const [i, path] of pathsToTry(last).entries()) {
        const { repository } = await openFixture(fixture, folder);
        const target = join(folder, `part-${i}`);
        await repository.restore({ target, path: toText(path) });
        expect(diffTrees(below(last, path), readTree(target))).toEqual([]);
      }
      const whole = join(folder, 'whole');
      await (await openFixture(fixture, folder)).repository.restore({ target: whole });
      const { repository, events } = await openFixture(fixture, folder);
      const verified = await repository.verify({ local: whole, compare: 'data' });
      expect(verified).toMatchObject({ differences: 0, problems: 0, files: last.size });
      expect(warnings(events)).toEqual([]);
    });
  });
});

describe.each(continued(COMPLETE).filter(({ name }) => name !== AMBIGUOUS))('$name, continued by redup', (fixture) => {
  test('is restored by the release that made it', async (context) => {
    requireRoot(context, 'the trees have foreign owners and devices');
    const release = maker(context, fixture);
    await withTempDir('fixture', async (folder) => {
      copyFixture(fixture, folder);
      const source = join(folder, 'source');
      await (await openFixture(fixture, folder)).repository.restore({ target: source });
      await runOk('bash', ['-c', CHANGES], { cwd: folder });
      const { repository, events } = await openFixture(fixture, folder);
      const made = await repository.backup({ source, type: 'incremental', allowSourceMismatch: true });
      expect(made).toMatchObject({ type: 'incremental', statistics: { errors: 0 } });
      expect(warnings(events)).toEqual([]);
      await expectBoth(fixture, folder, release, readTree(source));
    });
  });
});

describe.each(INTERRUPTED.filter(({ sets }) => sets.length > 0))('$name', (fixture) => {
  test('what was complete before is listed and restored', async (context) => {
    requireRoot(context, 'the trees have foreign owners and devices');
    await withTempDir('fixture', async (folder) => {
      copyFixture(fixture, folder);
      const [{ time, tree } = expect.unreachable()] = fixture.sets;
      expect(await listed(fixture, folder, time)).toEqual(Object.keys(tree).sort());
      const { repository } = await openFixture(fixture, folder);
      await repository.restore({ target: join(folder, 'restored'), time: asTime(time) });
      expect(diffTrees(snapshotOfJson(tree), readTree(join(folder, 'restored')))).toEqual([]);
    });
  });
});

describe.each(continued(INTERRUPTED))('$name, completed by redup', (fixture) => {
  test('is restored by the release that began it', async (context) => {
    requireRoot(context, 'the trees have foreign owners and devices');
    const release = maker(context, fixture);
    await withTempDir('fixture', async (folder) => {
      copyFixture(fixture, folder);
      const source = await makeSource(fixture, folder);
      const { repository, events } = await openFixture(fixture, folder);
      const made = await repository.backup({ source, allowSourceMismatch: true, volumeBytes: 1 << 20 });
      expect(made.statistics.errors).toBe(0);
      expect(warnings(events)).toEqual([]);
      await expectBoth(fixture, folder, release, readTree(source));
    });
  });
});

test('names that duplicity made the same are told apart as far as they can be, and told about', async (context) => {
  requireRoot(context, 'owners');
  const fixture = readFixture(AMBIGUOUS);
  await withTempDir('fixture', async (folder) => {
    copyFixture(fixture, folder);
    const target = join(folder, 'restored');
    const { repository, events } = await openFixture(fixture, folder);
    const { problems } = await repository.restore({ target });
    const [set = expect.unreachable()] = fixture.sets;
    // duplicity skips what comes out of order; redup restores it. Only the second file of the same name is left out.
    expect(diffTrees(snapshotOfJson(set.tree), readTree(target))).toEqual([
      expect.stringMatching(/^"names\/\\xe6.*: not expected, is a file$/),
      expect.stringMatching(/^"names\/\\xed\\xa0\\x80": not expected, is a file$/),
    ]);
    expect([problems, warnings(events).length]).toEqual([1, 1]);
    expect(warnings(events)[0]).toContain('exists already');
    // Signatures have the bytes as they are.
    expect(await listed(fixture, folder, set.time)).toContain('names/\xff');
  });
});

/** What happens between the last set and the one that redup adds. */
const CHANGES = `
  if [ -d source ]; then
    echo 'by redup' > source/new; rm -rf source/sub; mkdir source/sub; [ ! -e source/letter ] || echo more >> source/letter
    touch -d @1690000000 source/new source/sub source
  else echo 'by redup' > source; fi`;

/** Where the very release can't be had (an old Python), Debian's, the oldest that runs everywhere, stands in. */
function maker(context: SkipContext, fixture: Fixture): Peer {
  const exact = peer(fixture.peer);
  const canStandIn = fixture.peer.startsWith('duplicity-python');
  return isMissing(exact) && canStandIn ? requirePeer(context, 'duplicity-debian') : requirePeer(context, fixture.peer);
}

async function expectBoth(fixture: Fixture, folder: string, release: Peer, expected: Snapshot): Promise<void> {
  const mine = join(folder, 'mine');
  const { repository } = await openFixture(fixture, folder);
  expect((await repository.restore({ target: mine })).problems).toBe(0);
  expect(diffTrees(expected, readTree(mine))).toEqual([]);
  const theirs = join(folder, 'theirs');
  const home = duplicityHome();
  try {
    const keys = keyArguments(fixture);
    if (fixture.mode !== 'plain' && fixture.mode !== 'gzip') await prepareFixtureKeys(home.gnupgHome);
    const naming = NAMING_ARGUMENTS[fixture.name] ?? [];
    await duplicityOk(release, ['restore', ...keys, ...naming, `file://${folder}/target`, theirs], {
      home,
      currentTime: AFTERWARDS + 1,
      ...(fixture.mode === 'plain' || fixture.mode === 'gzip'
        ? {}
        : { passphrase: FIXTURE_PASSPHRASE, signPassphrase: FIXTURE_PASSPHRASE }),
    });
    expect(diffTrees(expected, readTree(theirs))).toEqual([]);
  } finally {
    home.dispose();
  }
}

/** Without --sign-key: duplicity compares it with the id of the subkey that signed. */
function keyArguments({ mode }: Fixture): string[] {
  return mode.startsWith('public') || mode.startsWith('hidden')
    ? ['--encrypt-key', fixtureKey('encrypt').fingerprint]
    : [];
}

async function listed(fixture: Fixture, folder: string, time: number): Promise<string[]> {
  const { repository } = await openFixture(fixture, folder);
  const paths: string[] = [];
  for await (const { path } of repository.files({ time: asTime(time) })) paths.push(path);
  return paths.sort();
}

/** A folder with something in it, a file in chunks, and the last name, which may be a nasty one. */
function pathsToTry(tree: Snapshot): string[] {
  const paths = [...tree].filter(([path]) => path !== '');
  const folder = paths.find(
    ([path, { type }]) => type === 'directory' && paths.some(([p]) => p.startsWith(`${path}/`)),
  );
  const large = paths.find(([, { size = 0 }]) => size >= 65_536);
  const last = paths.filter(([path, { type }]) => type === 'file' && fromText(toText(path)) === path).at(-1);
  return [folder, large, last].flatMap((found) => found?.[0] ?? []);
}

function below(tree: Snapshot, path: string): Snapshot {
  const inside = [...tree].filter(([other]) => other === path || other.startsWith(`${path}/`));
  return new Map(inside.map(([other, node]) => [other.slice(path.length + 1), node]));
}
