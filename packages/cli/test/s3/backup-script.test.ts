/**
 * The script of "Cloud backups with Duplicity and Amazon S3" (article/), as thousands of cron tables have it, with `duplicity` replaced
 * by `redup` and with the edits that the article asks for: home, key, folder, bucket. Run from cron's environment. Needs the build.
 */

import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import {
  cleanEnv,
  diffTrees,
  endAgent,
  prepareGpgHome,
  type RunResult,
  readTree,
  requirePeer,
  run,
  runOk,
  type SkipContext,
} from '@redup/testkit';
import { createS3User, s3Client } from '@redup/testkit/s3';
import { expect, it, onTestFinished } from 'vitest';
import { BIN, newWorld, type World } from './world.js';

const ARTICLE = fileURLToPath(new URL('./article/', import.meta.url));
const DAY = 86_400;

interface Nightly extends World {
  readonly home: string;
  readonly documents: string;
  readonly passphrase: string;
  /** What cron does at 3 o'clock of that day: its shell, its few variables, the command of the article's table. */
  cron(time: number): Promise<RunResult>;
}

/** A machine on which everything was done that the article says. */
async function nightly(context: SkipContext): Promise<Nightly> {
  requirePeer(context, 'gpg');
  const world = await newWorld(context);
  const home = join(world.folder, 'home');
  const documents = join(world.folder, 'documents');
  const programs = join(world.folder, 'bin');
  for (const folder of [join(home, '.duplicity'), documents, programs]) mkdirSync(folder, { recursive: true });

  prepareGpgHome(join(home, '.gnupg'));
  onTestFinished(() => endAgent(join(home, '.gnupg')));
  const credentials = readFileSync(join(ARTICLE, 'credentials.conf'), 'utf8');
  const secretOf = (name: string): string => new RegExp(`^${name}='(.*)'$`, 'm').exec(credentials)?.[1] ?? '';
  const passphrase = secretOf('PASSPHRASE');
  const keyId = await makeKey(home, passphrase);
  // The user of the article may make buckets.
  const user = await createS3User(world.server, `user-of-${world.bucket}`, {
    mayCreateBuckets: true,
    keys: { accessKey: `${secretOf('AWS_ACCESS_KEY_ID')}${Date.now()}`, secretKey: secretOf('AWS_SECRET_ACCESS_KEY') },
  });
  const mine = credentials.replace(secretOf('AWS_ACCESS_KEY_ID'), user.accessKey);
  writeFileSync(join(home, '.duplicity/.credentials.conf'), mine, { mode: 0o600 });
  const script = readFileSync(join(ARTICLE, 'backup.sh'), 'utf8')
    .replace(/^duplicity /m, 'redup ')
    .replace('HOME="/home/kappataumu"', `HOME="${home}"`)
    .replace("GPG_KEY='5E46FBDC'", `GPG_KEY='${keyId}'`)
    .replace('/your/backup/directory/', `${documents}/`)
    .replace('s3+http://bucket-duplicity/', `s3+http://${world.bucket}/`);
  writeFileSync(join(home, '.duplicity/backup.sh'), script, { mode: 0o700 });
  // As installed, but on the day that the test says.
  const clock = join(world.folder, 'clock');
  writeFileSync(
    join(programs, 'redup'),
    `#!/bin/sh\nexec ${process.execPath} ${BIN} --current-time "$(cat ${clock})" "$@"\n`,
  );
  chmodSync(join(programs, 'redup'), 0o755);

  const cron = (time: number): Promise<RunResult> => {
    writeFileSync(clock, `${time}`);
    // The last two stand in the table: where the test's server is, and where npm puts programs.
    const variables = {
      HOME: '/root',
      LOGNAME: 'root',
      SHELL: '/bin/sh',
      PATH: `${programs}:/usr/bin:/bin`,
      AWS_ENDPOINT_URL_S3: world.server.endpoint,
    };
    const line = `${home}/.duplicity/backup.sh >> ${home}/.duplicity/cron.log 2>&1`;
    return run('/bin/sh', ['-c', line], { env: variables, cwd: dirname(home) });
  };
  return { ...world, server: { ...world.server, ...user }, home, documents, passphrase, cron };
}

/** As `gpg --gen-key` with its defaults; gives the short id that the article notes. */
async function makeKey(home: string, passphrase: string): Promise<string> {
  const env = cleanEnv({ HOME: home });
  const batch = ['--batch', '--pinentry-mode', 'loopback', '--passphrase', passphrase];
  await runOk('gpg', [...batch, '--quick-generate-key', 'Backup <backup@example.org>', 'default', 'default', 'never'], {
    env,
  });
  const { stdout } = await runOk('gpg', ['--list-keys', '--keyid-format', 'short'], { env });
  return /^pub +\w+\/([0-9A-F]{8}) /m.exec(stdout)?.[1] ?? '';
}

async function volumesOf({ server, bucket }: World): Promise<string[]> {
  const { Contents = [] } = await s3Client(server).send(new ListObjectsV2Command({ Bucket: bucket }));
  return Contents.map(({ Key = '' }) => Key.replace(/\d{8}T\d{6}Z/g, 'T')).sort();
}

it('the article’s script runs from cron: full, incremental, full again after a week; and is restored elsewhere', {
  timeout: 180_000,
}, async (context) => {
  const machine = await nightly(context);
  const { home, documents, cron, folder, server, bucket } = machine;
  const now = Math.floor(Date.now() / 1000);
  const logs = (): string => readFileSync(join(home, '.duplicity/cron.log'), 'utf8');
  const night = async (daysAgo: number): Promise<void> => {
    const { code } = await cron(now - daysAgo * DAY);
    expect(code, logs()).toBe(0);
  };
  writeFileSync(join(documents, 'letter'), 'first');
  writeFileSync(join(documents, 'picture'), randomBytes(2_000_000));
  await night(9);
  expect(logs()).toContain(`created the bucket ${bucket}`);
  expect(await volumesOf(machine)).toEqual([
    'duplicity-full-signatures.T.sigtar.gpg',
    'duplicity-full.T.manifest.gpg',
    'duplicity-full.T.vol1.difftar.gpg',
  ]);
  const first = readTree(documents);
  writeFileSync(join(documents, 'letter'), 'second');
  await night(8);
  expect((await volumesOf(machine)).filter((name) => name.startsWith('duplicity-inc'))).toHaveLength(2);
  writeFileSync(join(documents, 'letter'), 'third');
  await night(0);
  const volumes = await volumesOf(machine);
  expect(volumes.filter((name) => name.startsWith('duplicity-full.'))).toHaveLength(4);
  // What cron would have mailed, and the log: statistics, and no word about Node, the SDK or options that don't exist any more.
  expect(logs()).not.toMatch(/warning|deprecat|ignored|traceback|undefined/i);
  expect(readFileSync(join(home, '.duplicity/notice.log'), 'utf8')).toMatch(/^NOTICE /m);

  // The rehearsal, on a machine that has nothing but the secret key and the two secrets.
  const other = join(folder, 'other');
  mkdirSync(other);
  prepareGpgHome(join(other, '.gnupg'));
  onTestFinished(() => endAgent(join(other, '.gnupg')));
  const { passphrase } = machine;
  const loopback = ['--batch', '--pinentry-mode', 'loopback', '--passphrase', passphrase];
  const secret = await runOk('gpg', [...loopback, '--export-secret-keys'], { env: cleanEnv({ HOME: home }) });
  await runOk('gpg', [...loopback, '--import'], { env: cleanEnv({ HOME: other }), input: secret.stdoutBytes });
  const env = cleanEnv({
    HOME: other,
    PASSPHRASE: passphrase,
    AWS_ENDPOINT_URL_S3: server.endpoint,
    AWS_ACCESS_KEY_ID: server.accessKey,
    AWS_SECRET_ACCESS_KEY: server.secretKey,
  });
  const restore = (...args: string[]): Promise<RunResult> =>
    runOk(process.execPath, [BIN, 'restore', ...args], { env, cwd: other });
  await restore(`s3+http://${bucket}/`, 'latest');
  expect(diffTrees(readTree(documents), readTree(join(other, 'latest')))).toEqual([]);
  await restore('--time', `${now - 9 * DAY + 60}`, `s3+http://${bucket}/`, 'oldest');
  expect(diffTrees(first, readTree(join(other, 'oldest')))).toEqual([]);
});
