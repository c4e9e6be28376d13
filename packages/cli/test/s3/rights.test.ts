/** The three users of docs/s3.md, each through the command, on a real server. Needs the build. */

import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as sdk from '@aws-sdk/client-s3';
import { diffTrees, readTree, type SkipContext } from '@redup/testkit';
import {
  createLimitedUsers,
  neverOverwrite,
  type S3Keys,
  type S3Proxy,
  s3Client,
  startS3Proxy,
} from '@redup/testkit/s3';
import { describe, expect, it } from 'vitest';
import { ended, type How, newWorld, type World } from './world.js';

type Limited = World & { readonly users: Record<'backup' | 'restore' | 'retention', S3Keys> };

/** A bucket with the three users, and 3 MB that don't compress. */
async function limitedWorld(context: SkipContext): Promise<Limited> {
  const world = await newWorld(context);
  await s3Client(world.server).send(new sdk.CreateBucketCommand({ Bucket: world.bucket }));
  const users = await createLimitedUsers(world, ['backup', 'restore', 'retention']);
  mkdirSync(join(world.folder, 'src/sub'), { recursive: true });
  for (const name of ['a', 'b', 'sub/c']) writeFileSync(join(world.folder, 'src', name), randomBytes(1_000_000));
  return { ...world, users };
}

/** A backup whose volume reaches the server, but the answer never comes back: when it is killed it doesn't know. */
async function killedAfterStoring(volume: number, world: World, proxy: S3Proxy, how: How): Promise<void> {
  const stalled = new Promise<void>((resolve) => {
    proxy.plan = (request) => {
      if (!(request.method === 'PUT' && request.url.includes(`.vol${volume}.`))) return neverOverwrite(request);
      setTimeout(resolve, 500);
      return { kind: 'stall', when: 'after' };
    };
  });
  const killed = world.start(['full', '--volsize', '1', 'src', world.url], how);
  await stalled;
  killed.kill('SIGKILL');
  await ended(killed);
}

describe('with the rights that docs/s3.md gives', () => {
  it('the backup user makes full and incremental backups, and can destroy nothing', {
    timeout: 180_000,
  }, async (context) => {
    const world = await limitedWorld(context);
    const { redup, redupOk, url, users, folder } = world;
    const proxy = await startS3Proxy({ target: world.server.endpoint, plan: neverOverwrite });
    const backup = { keys: users.backup, endpoint: proxy.endpoint };
    await redupOk(['full', '--volsize', '1', '--asynchronous-upload', 'src', url], backup);
    appendFileSync(join(folder, 'src/a'), 'more');
    await redupOk(['incremental', 'src', url], backup);
    // A new machine: the cache is filled from the target first, which needs manifests and signatures only.
    appendFileSync(join(folder, 'src/b'), 'more');
    await redupOk(['incremental', 'src', url], { ...backup, cache: 'lost' });
    expect([...(await world.stored()).keys()].filter((name) => name.includes('manifest'))).toHaveLength(3);

    const refused: readonly (readonly [string, ...string[]])[] = [
      ['s3:GetObject', 'restore', url, 'out'],
      ['s3:DeleteObject', 'remove-all-inc-of-but-n-full', '1', '--force', url],
    ];
    await redupOk(['full', 'src', url], backup);
    const before = await world.stored();
    for (const [permission, ...args] of refused) {
      const { code, stderr } = await redup(args, backup);
      expect(code, stderr).toBe(51);
      expect(stderr).toContain(permission);
      expect(stderr).toContain('docs/s3.md');
    }
    expect(await world.stored()).toEqual(before);

    // The restore user on an empty machine.
    await redupOk(['restore', url, 'out'], { keys: users.restore, cache: 'restorer' });
    expect(diffTrees(readTree(join(folder, 'src')), readTree(join(folder, 'out')))).toEqual([]);
    expect((await redup(['full', 'src', url], { keys: users.restore, cache: 'restorer' })).stderr).toContain(
      's3:PutObject',
    );
    expect(await world.stored()).toEqual(before);

    // The retention user removes the old chain and can neither read volumes nor store.
    const retention = { keys: users.retention, cache: 'retention' };
    expect((await redup(['restore', url, 'out2'], retention)).code).toBe(51);
    await redupOk(['remove-all-but-n-full', '1', '--force', url], retention);
    expect((await world.stored()).size).toBe(3);
    await redupOk(['verify', '--compare-data', url, 'src'], { keys: users.restore, cache: 'after' });
    await proxy.close();
  });

  it('the backup user goes on after a kill, with nothing overwritten and nothing stored twice', async (context) => {
    const world = await limitedWorld(context);
    const { redupOk, url, users, folder } = world;
    const proxy = await startS3Proxy({ target: world.server.endpoint });
    const how = { keys: users.backup, endpoint: proxy.endpoint };
    await killedAfterStoring(3, world, proxy, how);
    const before = await world.stored();
    // The fourth was begun when most of the third was out; it may have arrived as well.
    const volumes = [...before.keys()].map((name) => /vol\d/.exec(name)?.[0] ?? name);
    expect(volumes.slice(0, 3)).toEqual(['vol1', 'vol2', 'vol3']);

    proxy.plan = neverOverwrite;
    const from = proxy.requests.length;
    const { stdout } = await redupOk(['full', '--volsize', '1', 'src', url], how);
    expect(stdout).toMatch(/that was interrupted after volume [34]/);
    const after = await world.stored();
    for (const [name, tag] of before) expect(after.get(name), `${name} is as it was`).toBe(tag);
    const puts = proxy.requests.slice(from).filter(({ method, url: path }) => {
      return method === 'PUT' && [...before.keys()].some((name) => path.includes(name));
    });
    expect(puts).toEqual([]);
    expect(readdirSync(join(folder, 'tmp')).filter((name) => name.startsWith('redup-volumes'))).toEqual([]);
    await redupOk(['restore', url, 'out'], { keys: users.restore, cache: 'restorer' });
    expect(diffTrees(readTree(join(folder, 'src')), readTree(join(folder, 'out')))).toEqual([]);
    await proxy.close();
  });

  it('the backup user whose kept files are lost makes a new backup instead of overwriting', async (context) => {
    const world = await limitedWorld(context);
    const { redupOk, url, users, folder } = world;
    const proxy = await startS3Proxy({ target: world.server.endpoint });
    const how = { keys: users.backup, endpoint: proxy.endpoint };
    await killedAfterStoring(2, world, proxy, how);
    const before = await world.stored();
    proxy.plan = neverOverwrite;
    // The machine was restarted: its temporary folder is empty.
    for (const name of readdirSync(join(folder, 'tmp'))) rmSync(join(folder, 'tmp', name), { recursive: true });
    const { stdout, stderr } = await redupOk(['full', '--volsize', '1', 'src', url], how);
    expect(stdout + stderr).toContain('cannot be gone on with');
    const after = await world.stored();
    for (const [name, tag] of before) expect(after.get(name)).toBe(tag);
    await redupOk(['restore', url, 'out'], { keys: users.restore, cache: 'restorer' });
    expect(diffTrees(readTree(join(folder, 'src')), readTree(join(folder, 'out')))).toEqual([]);
    await proxy.close();
  });
});
