/** What the tests of the command on S3 share: a bucket of the real server, a home folder, and `bin/redup.js` as users start it. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cleanEnv, type RunResult, requirePeer, run, type SkipContext, tempDir } from '@redup/testkit';
import { type S3Keys, type S3Server, sharedS3Server, storedIn, uniqueBucketName } from '@redup/testkit/s3';

export const BIN = fileURLToPath(new URL('../../bin/redup.js', import.meta.url));
export const PASSPHRASE = 'correct horse battery staple';
export const PREFIX = 'some/where';

export interface World {
  readonly server: S3Server;
  readonly bucket: string;
  readonly prefix: string;
  readonly url: string;
  readonly folder: string;
  /** What the bucket holds below the prefix: name → ETag. */
  stored(): Promise<Map<string, string>>;
  redup(args: readonly string[], how?: How): Promise<RunResult>;
  redupOk(args: readonly string[], how?: How): Promise<RunResult>;
  /** Starts it and leaves it running. */
  start(args: readonly string[], how?: How): ChildProcess;
}

export interface How {
  readonly keys?: S3Keys;
  /** A proxy's, instead of the server's. */
  readonly endpoint?: string;
  /** The cache; a machine of its own, so to say. */
  readonly cache?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A bucket name that nobody has used, and a home. The bucket is made by the first backup. */
export async function newWorld(context: SkipContext): Promise<World> {
  requirePeer(context, 'radosgw');
  const server = await sharedS3Server();
  const bucket = uniqueBucketName();
  const folder = tempDir('s3-command');
  mkdirSync(join(folder, 'tmp'));
  const url = `s3://${bucket}/${PREFIX}`;
  const envOf = ({ keys = server, endpoint = server.endpoint, cache = 'cache', env }: How = {}) =>
    cleanEnv({
      HOME: folder,
      XDG_CACHE_HOME: join(folder, cache),
      TMPDIR: join(folder, 'tmp'),
      PASSPHRASE,
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_ACCESS_KEY_ID: keys.accessKey,
      AWS_SECRET_ACCESS_KEY: keys.secretKey,
      AWS_EC2_METADATA_DISABLED: 'true',
      ...env,
    });
  const redup = (args: readonly string[], how?: How): Promise<RunResult> =>
    run(process.execPath, [BIN, ...args], { env: envOf(how), cwd: folder });
  return {
    server,
    bucket,
    prefix: PREFIX,
    url,
    folder,
    stored: () => storedIn({ server, bucket, prefix: PREFIX }),
    redup,
    redupOk: async (args, how) => {
      const result = await redup(args, how);
      if (result.code === 0) return result;
      throw new Error(`redup ${args.join(' ')} ended with ${result.code}\n${result.stdout}\n${result.stderr}`);
    },
    start: (args, how) => spawn(process.execPath, [BIN, ...args], { env: envOf(how), cwd: folder, stdio: 'ignore' }),
  };
}

/** Resolves when a child has ended. */
export function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.on('close', () => resolve());
  });
}
