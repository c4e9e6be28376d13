/** One bucket, one chain, two programs in turn: what either wrote under its own spelling of the URL, the other reads and continues. */

import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { diffTrees, duplicityOk, readTree, requirePeer, withDuplicityHome } from '@redup/testkit';
import { s3Client } from '@redup/testkit/s3';
import { describe, expect, it } from 'vitest';
import { newWorld, PASSPHRASE } from './world.js';

const START = 1_790_000_000;

/** Who goes first, the same place in both spellings, and how the chain is stored. */
const CASES = [
  ['duplicity-debian', 'boto3+s3://BUCKET/pre/fix', 's3+http://BUCKET/pre/fix/', 'encrypted'],
  ['duplicity-debian', 'boto3+s3://BUCKET', 's3://BUCKET', 'gzip'],
  ['duplicity-current', 's3:///BUCKET/pre/fix', 's3://BUCKET/pre/fix', 'encrypted'],
  ['duplicity-current', 'boto3+s3://BUCKET/a%20b', 'boto3+s3://BUCKET/a%20b', 'gzip'],
] as const;

describe('in one bucket', () => {
  it.for(CASES)(
    '%s at %s and redup at %s read and continue each other’s %s chain',
    { timeout: 180_000 },
    async ([name, theirForm, ourForm, mode], context) => {
      const peer = requirePeer(context, name);
      const { server, bucket, folder, redupOk } = await newWorld(context);
      const [theirUrl, ourUrl] = [theirForm, ourForm].map((form) => form.replace('BUCKET', bucket));
      await s3Client(server).send(new CreateBucketCommand({ Bucket: bucket }));
      const source = join(folder, 'src');
      mkdirSync(join(source, 'sub'), { recursive: true });
      writeFileSync(join(source, 'sub/large'), randomBytes(3_000_000));
      const plain = mode === 'gzip' ? ['--no-encryption'] : [];
      const s3 = ['--s3-endpoint-url', server.endpoint, '--s3-region-name', 'us-east-1'];
      const env = { AWS_ACCESS_KEY_ID: server.accessKey, AWS_SECRET_ACCESS_KEY: server.secretKey };
      const secret = mode === 'gzip' ? {} : { passphrase: PASSPHRASE };

      await withDuplicityHome(async (home) => {
        const theirs = (command: string, ...args: string[]) =>
          duplicityOk(peer, [command, ...args, ...s3], { home, env, ...secret });
        const ours = (command: string, ...args: string[]) => redupOk([command, ...plain, ...args, ...s3]);
        const url = { theirs: theirUrl ?? '', ours: ourUrl ?? '' };
        const states: ReturnType<typeof readTree>[] = [];
        const sets = ['theirs', 'ours', 'theirs', 'ours'] as const;
        for (const [index, who] of sets.entries()) {
          writeFileSync(join(source, `of ${who} ${index}`), `${index}`);
          appendFileSync(join(source, 'sub/large'), `${index}`);
          // duplicity sees a change by whole seconds only.
          utimesSync(join(source, 'sub/large'), START + index, START + index);
          if (index === 2) rmSync(join(source, 'of theirs 0'));
          states.push(readTree(source));
          const args = ['--volsize', '1', '--current-time', `${START + index * 100}`, source];
          if (who === 'theirs') await theirs(index === 0 ? 'full' : 'incremental', ...args, url.theirs);
          else await ours('incremental', ...args, url.ours);
        }
        // A chain that redup begins, and they continue.
        await ours('full', '--current-time', `${START + 1000}`, source, url.ours);
        await theirs('incremental', '--current-time', `${START + 1100}`, source, url.theirs);
        for (const [index, state] of states.entries()) {
          if (index === 0 || index === 2) continue;
          const time = ['--time', `${START + index * 100 + 1}`];
          const places = [join(folder, `theirs-${index}`), join(folder, `ours-${index}`)];
          await theirs('restore', ...time, url.theirs, places[0] ?? '');
          await ours('restore', ...time, url.ours, places[1] ?? '');
          for (const place of places) expect(diffTrees(state, readTree(place))).toEqual([]);
        }
        await ours('verify', '--compare-data', url.ours, source);
        await theirs('verify', '--compare-data', url.theirs, source);
      });
    },
  );
});
