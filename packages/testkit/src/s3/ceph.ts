/**
 * A real S3 server without a container engine: Ceph's gateway over one monitor and one object store whose data are in
 * memory, on loopback. It takes about ten seconds to start. Besides what Ceph does by itself it is given all of
 * Amazon's storage classes, and a key server for tests of SSE-KMS.
 *
 * Debian packages: radosgw ceph-mon ceph-osd (and librados2, ceph-common, which they bring along).
 */

import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';

import { cleanEnv, runOk } from '../process.js';

/** What a client needs to know. Plain data, so that it can be handed from process to process. */
export interface S3Server {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string;
  /** A user that may do everything in its own buckets. */
  readonly accessKey: string;
  readonly secretKey: string;
  /** The id of a key for SSE-KMS. */
  readonly kmsKeyId: string;
  readonly directory: string;
}

/** Classes that exist besides STANDARD. They differ in nothing but their name. */
export const STORAGE_CLASSES = [
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER_IR',
  'GLACIER',
  'DEEP_ARCHIVE',
] as const;

/** Starts a server whose files are in `directory`, which is emptied first. Stop it with {@link stopCeph}. */
export async function startCeph(directory: string): Promise<S3Server> {
  fs.rmSync(directory, { recursive: true, force: true });
  for (const name of ['mon', 'osd', 'run', 'log']) fs.mkdirSync(path.join(directory, name), { recursive: true });
  const [port, monPort] = await freePorts(2);
  const server: S3Server = {
    endpoint: `http://127.0.0.1:${port}`,
    accessKey: 'redup-test',
    secretKey: 'redup-secret',
    kmsKeyId: 'testkey-1',
    directory,
  };
  fs.writeFileSync(path.join(directory, 'ceph.conf'), configuration(directory, port ?? 0, monPort ?? 0));
  await startMonitor(directory, monPort ?? 0);
  await startStore(directory);
  await setUp(server);
  await run(directory, 'radosgw', ['-n', 'client.rgw']);
  await isUp(server.endpoint);
  return server;
}

/** Ends the daemons that were started in a directory, and removes it. Runs without the rest of the test kit. */
export function stopCeph(directory: string): void {
  const folder = path.join(directory, 'run');
  for (const name of fs.existsSync(folder) ? fs.readdirSync(folder) : []) {
    if (!name.endsWith('.pid')) continue;
    const pid = Number(fs.readFileSync(path.join(folder, name), 'utf8'));
    // The id may belong to another program by now.
    if (pid > 0 && commandLine(pid).includes(directory)) process.kill(pid, 'SIGKILL');
  }
  fs.rmSync(directory, { recursive: true, force: true });
}

/** `radosgw-admin` on a running server; returns what it prints. */
export async function cephAdmin(server: S3Server, args: readonly string[], input?: string): Promise<string> {
  const { stdout } = await runCeph(server.directory, 'radosgw-admin', ['-n', 'client.admin', ...args], input);
  return stdout;
}

/**
 * Another user: may make no bucket unless asked for, and do nothing in one until a bucket's policy says otherwise. Policies call it
 * `arn:aws:iam:::user/ID`.
 */
export async function createS3User(
  server: S3Server,
  id: string,
  options: { readonly mayCreateBuckets?: boolean; readonly keys?: { accessKey: string; secretKey: string } } = {},
): Promise<{ accessKey: string; secretKey: string }> {
  const { keys = { accessKey: `key-of-${id}`, secretKey: `secret-of-${id}` }, mayCreateBuckets = false } = options;
  const most = mayCreateBuckets ? 0 : -1;
  const create = ['user', 'create', `--uid=${id}`, `--display-name=${id}`, `--max-buckets=${most}`];
  await cephAdmin(server, [...create, `--access-key=${keys.accessKey}`, `--secret-key=${keys.secretKey}`]);
  return keys;
}

async function startMonitor(directory: string, port: number): Promise<void> {
  const keyring = path.join(directory, 'keyring');
  const grants: readonly (readonly string[])[] = [
    ['--create-keyring', '-n', 'mon.', '--cap', 'mon', 'allow *'],
    ['-n', 'client.admin', '--cap', 'mon', 'allow *', '--cap', 'osd', 'allow *', '--cap', 'mgr', 'allow *'],
    ['-n', 'client.rgw', '--cap', 'mon', 'allow rw', '--cap', 'osd', 'allow rwx'],
    ['-n', 'osd.0', '--cap', 'mon', 'allow profile osd', '--cap', 'osd', 'allow *'],
  ];
  for (const grant of grants) await runOk('ceph-authtool', [keyring, '--gen-key', ...grant]);
  const map = path.join(directory, 'monmap');
  const { fsid } = /fsid = (?<fsid>\S+)/.exec(fs.readFileSync(path.join(directory, 'ceph.conf'), 'utf8'))?.groups ?? {};
  await runOk('monmaptool', [
    '--create',
    '--clobber',
    '--fsid',
    fsid ?? '',
    '--addv',
    'a',
    `[v2:127.0.0.1:${port}]`,
    map,
  ]);
  await run(directory, 'ceph-mon', ['-i', 'a', '--mkfs', '--monmap', map, '--keyring', keyring]);
  await run(directory, 'ceph-mon', ['-i', 'a']);
}

async function startStore(directory: string): Promise<void> {
  const id = randomUUID();
  await run(directory, 'ceph', ['osd', 'new', id, '0']);
  await run(directory, 'ceph-osd', ['-i', '0', '--mkfs', '--osd-uuid', id]);
  await run(directory, 'ceph-osd', ['-i', '0']);
  await run(directory, 'ceph', ['osd', 'crush', 'add', 'osd.0', '1.0', 'root=default', 'host=localhost']);
}

/** The user and the storage classes. Before the gateway's start, because it looks for classes only then. */
async function setUp(server: S3Server): Promise<void> {
  const user = ['user', 'create', '--uid=redup', '--display-name=redup', '--max-buckets=0'];
  await cephAdmin(server, [...user, `--access-key=${server.accessKey}`, `--secret-key=${server.secretKey}`]);
  const classes = ['STANDARD', ...STORAGE_CLASSES];
  const group = JSON.parse(await cephAdmin(server, ['zonegroup', 'get', '--rgw-zonegroup', 'default']));
  for (const target of group.placement_targets) target.storage_classes = classes;
  await cephAdmin(server, ['zonegroup', 'set', '--rgw-zonegroup', 'default'], JSON.stringify(group));
  const zone = JSON.parse(await cephAdmin(server, ['zone', 'get', '--rgw-zone', 'default']));
  const pool = { data_pool: 'default.rgw.buckets.data' };
  for (const { val } of zone.placement_pools)
    val.storage_classes = Object.fromEntries(classes.map((name) => [name, pool]));
  await cephAdmin(server, ['zone', 'set', '--rgw-zone', 'default'], JSON.stringify(zone));
}

function configuration(directory: string, port: number, monPort: number): string {
  const kmsKey = Buffer.alloc(32, 'redup').toString('base64');
  return `[global]
fsid = ${randomUUID()}
mon host = v2:127.0.0.1:${monPort}
public addr = 127.0.0.1
osd pool default size = 1
osd pool default min size = 1
osd crush chooseleaf type = 0
osd pool default pg num = 4
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 1
mon data avail warn = 1
run dir = ${directory}/run
pid file = ${directory}/run/$name.pid
log file = ${directory}/log/$name.log
admin socket = ${directory}/run/$name.asok
keyring = ${directory}/keyring
[mon.a]
mon data = ${directory}/mon
[osd.0]
osd data = ${directory}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:${port}
rgw dynamic resharding = false
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = testkey-1=${kmsKey}
rgw gc obj min wait = 1
rgw gc processor period = 5
rgw gc processor max time = 5
`;
}

async function run(directory: string, command: string, args: readonly string[]): Promise<void> {
  await runCeph(directory, command, args);
}

function runCeph(directory: string, command: string, args: readonly string[], input = ''): ReturnType<typeof runOk> {
  return runOk(command, ['-c', path.join(directory, 'ceph.conf'), ...args], { env: cleanEnv(), input });
}

async function isUp(endpoint: string): Promise<void> {
  const until = Date.now() + 60_000;
  for (;;) {
    const text = await fetch(endpoint, { signal: AbortSignal.timeout(2000) }).then((answer) => answer.text(), String);
    if (text.includes('ListAllMyBucketsResult')) return;
    if (Date.now() > until) throw new Error(`the S3 server does not answer: ${text}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function commandLine(pid: number): string {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, '127.0.0.1', () => {
            const address = server.address();
            resolve(typeof address === 'object' && address !== null ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
