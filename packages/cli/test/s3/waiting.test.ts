/** What can't be had at once, through the command: volumes in Glacier (simulated before a real server), and locked objects' space. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as sdk from '@aws-sdk/client-s3';
import { diffTrees, readTree } from '@redup/testkit';
import { coldTier, s3Client, startS3Proxy } from '@redup/testkit/s3';
import { describe, expect, it } from 'vitest';
import { newWorld } from './world.js';

describe('what has to be waited for', () => {
  it('a restore has volumes fetched back from Glacier, says how many are ready, and goes on', async (context) => {
    const { server, url, folder, redup, redupOk } = await newWorld(context);
    const tier = coldTier(2500);
    const proxy = await startS3Proxy({ target: server.endpoint, plan: tier.plan });
    const how = { endpoint: proxy.endpoint };
    mkdirSync(join(folder, 'src'));
    for (const text of ['first', 'second']) {
      writeFileSync(join(folder, 'src', text), text);
      await redupOk(['backup', '--s3-use-glacier', 'src', url], how);
    }
    const verified = await redup(['verify', url, 'src'], how);
    expect(verified.code).toBe(52);
    expect(verified.stderr).toContain('Glacier');
    expect(tier.recalled).toEqual([]);

    const { stdout } = await redupOk(['restore', '--backend-retry-delay', '1', url, 'out'], how);
    expect(stdout).toContain('0 of 2 volumes are ready');
    expect(stdout).toContain('2 of 2 volumes are ready');
    expect(tier.recalled).toHaveLength(2);
    expect(diffTrees(readTree(join(folder, 'src')), readTree(join(folder, 'out')))).toEqual([]);
    // Ready for some days: nothing is asked for again, and nothing said.
    expect((await redupOk(['restore', url, 'again'], how)).stdout).not.toContain('ready');
    expect(tier.recalled).toHaveLength(2);
    await proxy.close();
  });

  it('removing says what an object lock keeps until when, removes what is free, and leaves what is kept restorable', async (context) => {
    const world = await newWorld(context);
    const { server, bucket, url, folder, redup, redupOk, stored } = world;
    const make = new sdk.CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: true });
    await s3Client(server).send(make);
    mkdirSync(join(folder, 'src'));
    const lock = ['--s3-object-lock-days', '2', '--s3-object-lock-mode', 'governance'];
    const made = async (type: string, ...options: string[]): Promise<void> => {
      writeFileSync(join(folder, 'src/file'), `${type} ${options.join(' ')}`);
      await redupOk([type, ...options, 'src', url]);
    };
    await made('full');
    const free = [...(await stored()).keys()];
    await made('full');
    const { chains } = JSON.parse(await lastLine(redupOk(['collection-status', '--json', url])));
    await made('incremental', ...lock);
    await made('full');
    const before = await stored();

    const { code, stdout, stderr } = await redup(['remove-all-but-n-full', '1', '--force', url]);
    expect(code).toBe(51);
    const until = new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10);
    expect(stdout + stderr).toMatch(
      new RegExp(`2 of 3 backup sets can't be deleted yet .*object lock keeps .* until ${until}`),
    );
    for (const name of free) before.delete(name);
    expect([...(await stored()).keys()].sort()).toEqual([...before.keys()].sort());
    // The incremental that is locked, and the full backup that it needs though that one is not.
    const end = chains.at(-1).sets.at(-1).time + 1;
    await redupOk(['restore', '--time', `${end}`, url, 'kept']);
  });
});

async function lastLine(result: Promise<{ stdout: string }>): Promise<string> {
  return (await result).stdout.trim().split('\n').at(-1) ?? '';
}
