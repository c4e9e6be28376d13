/**
 * `kill -9` at random moments of a backup with several uploads in parts at once: what the partial manifest names is stored, what is
 * stored is never changed, and the last run completes it. The moments are printed.
 */

import { randomBytes, randomInt } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { diffTrees, readTree } from '@redup/testkit';
import { neverOverwrite, startS3Proxy } from '@redup/testkit/s3';
import { expect, it } from 'vitest';
import { ended, newWorld, type World } from './world.js';

const KILLS = 3;

it('a backup that is killed again and again is completed, whenever that was', { timeout: 180_000 }, async (context) => {
  const world = await newWorld(context);
  const { server, url, folder, redupOk } = world;
  const moments = Array.from({ length: KILLS }, () => randomInt(900, 3500));
  console.log(`killed after ${moments.join(', ')} ms`);
  mkdirSync(join(folder, 'src'));
  for (const name of ['a', 'b', 'c', 'd', 'e']) writeFileSync(join(folder, 'src', name), randomBytes(6_000_000));
  // A user who may not overwrite, on a link of 8 MB/s.
  const proxy = await startS3Proxy({ target: server.endpoint, bytesPerSecond: 8_000_000, plan: neverOverwrite });
  const args = ['full', '--volsize', '6', '--s3-multipart-chunk-size', '5', '--concurrency', '3', 'src', url];
  const how = { endpoint: proxy.endpoint };
  let before = new Map<string, string>();
  for (const moment of moments) {
    const running = world.start(args, how);
    await sleep(moment);
    running.kill('SIGKILL');
    await ended(running);
    const stored = await storedOrNone(world);
    for (const [name, tag] of before) expect(stored.get(name), `${name} is as it was`).toBe(tag);
    for (const name of namedVolumes(join(folder, 'cache'))) expect([...stored.keys()].join(' ')).toContain(name);
    before = stored;
  }
  await redupOk(args, how);
  const stored = await world.stored();
  for (const [name, tag] of before) expect(stored.get(name), `${name} is as it was`).toBe(tag);
  await redupOk(['restore', url, 'out'], { cache: 'other' });
  expect(diffTrees(readTree(join(folder, 'src')), readTree(join(folder, 'out')))).toEqual([]);
  await proxy.close();
});

/** The first kill may come before the bucket. */
async function storedOrNone(world: World): Promise<Map<string, string>> {
  return world.stored().catch((error: Error) => {
    if (error.name !== 'NoSuchBucket') throw error;
    return new Map();
  });
}

/** Set and number of the volumes that partial manifests name: `20260101T000000Z.vol3.` */
function namedVolumes(cache: string): string[] {
  const files = existsSync(cache) ? readdirSync(cache, { recursive: true, encoding: 'utf8' }) : [];
  return files
    .filter((name) => /manifest\.part$/.test(name))
    .flatMap((name) => {
      const time = /\d{8}T\d{6}Z/.exec(name)?.[0] ?? '';
      const numbers = readFileSync(join(cache, name), 'latin1').matchAll(/^Volume (\d+):/gm);
      return [...numbers].map(([, number]) => `${time}.vol${number}.`);
    });
}
