#!/usr/bin/env node
/**
 * How close a backup to S3 comes to the slower of its two parts, sealing and the link: `npm run bench-s3 -w redup`.
 *
 * The whole command runs against the testkit's S3 server, directly and through the testkit's proxy, which shapes the link. Three times
 * are compared in one run: sealing alone (the same backup into a folder in memory), the link alone (the same bytes at the proxy's rate; on
 * loopback the same volumes stored one after another by the storage alone), and the backup. `share` is the slower of the two through the
 * backup, from the first look at the source until the last volume is stored; `of all` is the same with the start and the end of
 * the program: it is the smaller the smaller the backup is. Needs the build.
 *
 * MB=400 VOLSIZE=50 RATE=20 (MB/s) LATENCY=25 (ms each way) CONCURRENCY=1 change the defaults.
 */

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { cephAdmin, startCeph, startS3Proxy, stopCeph, uniqueBucketName } from '@redup/testkit/s3';

const MB = 1e6;
const number = (name, fallback) => Number(process.env[name] ?? fallback);
const size = number('MB', 400) * MB;
const volumeMib = number('VOLSIZE', 50);
const rate = number('RATE', 20) * MB;
const latencyMs = number('LATENCY', 25);
const concurrency = number('CONCURRENCY', 1);
const redup = fileURLToPath(new URL('../bin/redup.js', import.meta.url));

const folder = mkdtempSync('/dev/shm/redup-bench-s3-');
// A server of its own: what is stored here would fill the one that the tests share.
const server = await startCeph(join(folder, 'server'));
try {
  writeSource(join(folder, 'source'));
  say(`${size / MB} MB that don't compress, volumes of ${volumeMib} MiB, --concurrency ${concurrency}`);
  const sealing = await backup(`file://${folder}/sealed`);
  say(`sealing alone: ${seconds(sealing.work)}, ${speed(sealing.work)}`);
  // Ceph makes its pools when they are first needed, which takes seconds.
  await storeAlone(server.endpoint);
  for (const link of [
    { name: `a link of ${rate / MB} MB/s without latency`, rate, latencyMs: 0 },
    { name: `a link of ${rate / MB} MB/s with ${2 * latencyMs} ms there and back`, rate, latencyMs },
    { name: 'loopback', rate: undefined, latencyMs: 0 },
  ])
    await measure(link, sealing);
  say(`the machine's load was ${loadavg()[0].toFixed(1)}`);
} finally {
  stopCeph(server.directory);
  rmSync(folder, { recursive: true, force: true });
}

async function measure({ name, rate: bytesPerSecond, latencyMs: latency }, sealing) {
  const proxy =
    bytesPerSecond === undefined
      ? undefined
      : await startS3Proxy({ target: server.endpoint, bytesPerSecond, latencyMs: latency });
  const endpoint = proxy?.endpoint ?? server.endpoint;
  const linkMs = bytesPerSecond === undefined ? await storeAlone(endpoint) : (volumeBytes() / bytesPerSecond) * 1000;
  const bucket = uniqueBucketName();
  const all = await backup(`s3://${bucket}/bench`, endpoint);
  await cephAdmin(server, ['bucket', 'rm', `--bucket=${bucket}`, '--purge-objects', '--bypass-gc']);
  await proxy?.close();
  const slower = Math.max(linkMs, sealing.work);
  const figures = [`link alone ${seconds(linkMs)}`, `backup ${seconds(all.work)} of ${seconds(all.total)}`];
  const shares = `share ${percent(slower / all.work)}, of all ${percent(slower / all.total)}, memory ${all.peakMb} MB, disk ${all.waitingMb} MB`;
  say(`${name}: ${figures.join(', ')}: ${shares}`);
  if (proxy === undefined) return;
  say(
    `  the link was busy for ${percent(busyShare(proxy.uploaded, bytesPerSecond))} of the time from its first byte to its last`,
  );
}

function busyShare({ bytes, firstAt, lastAt }, bytesPerSecond) {
  return bytes / ((bytesPerSecond / 1000) * (lastAt - firstAt));
}

/** Runs the command; from its records: how long it took from the first look at the source to the last volume. */
async function backup(url, endpoint = '') {
  const started = performance.now();
  const args = [
    'full',
    '--json',
    '--volsize',
    `${volumeMib}`,
    '--concurrency',
    `${concurrency}`,
    join(folder, 'source'),
    url,
  ];
  const child = spawn('/usr/bin/time', ['-f', 'peak %M', process.execPath, redup, ...args], {
    env: environment(endpoint),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let first = started;
  let last = started;
  createInterface(child.stdout).on('line', (line) => {
    if (line.includes('"phase":"scan"')) first = performance.now();
    if (line.includes('"type":"volume"')) last = performance.now();
  });
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  let waiting = 0;
  const looking = setInterval(() => {
    waiting = Math.max(waiting, waitingBytes());
  }, 50);
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearInterval(looking);
  if (code !== 0) throw new Error(`redup ended with ${code}\n${said}`);
  const peakMb = Math.round(Number(/peak (\d+)/.exec(said)?.[1]) / 1000);
  return { work: last - first, total: performance.now() - started, peakMb, waitingMb: Math.round(waiting / MB) };
}

/** Bytes of volumes that are built, wait or are uploaded. */
function waitingBytes() {
  const folders = readdirSync(folder).filter((name) => name.startsWith('redup-volumes-'));
  const files = folders.flatMap((name) => readdirSync(join(folder, name)).map((file) => join(folder, name, file)));
  return files.reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
}

/** The volumes that the sealing made, stored by the storage alone. */
async function storeAlone(endpoint) {
  const bucket = uniqueBucketName();
  const program = `
    import { createS3Storage } from '@redup/storage-s3';
    import { readdirSync, statSync } from 'node:fs';
    const folder = ${JSON.stringify(join(folder, 'sealed'))};
    const storage = await createS3Storage('s3://${bucket}/bench', { create: 'if-missing' });
    const started = performance.now();
    for (const name of readdirSync(folder).filter((each) => each.includes('.vol'))) {
      const path = folder + '/' + name;
      await storage.put(name, { kind: 'file', path, size: statSync(path).size, disposable: false });
    }
    console.log(performance.now() - started);
    await storage.close();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    env: environment(endpoint),
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  child.stdout.on('data', (text) => {
    printed += text;
  });
  await new Promise((resolve) => child.on('close', resolve));
  await cephAdmin(server, ['bucket', 'rm', `--bucket=${bucket}`, '--purge-objects', '--bypass-gc']);
  return Number(printed);
}

function environment(endpoint) {
  return {
    PATH: process.env.PATH,
    HOME: folder,
    TMPDIR: folder,
    PASSPHRASE: 'bench',
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_ACCESS_KEY_ID: server.accessKey,
    AWS_SECRET_ACCESS_KEY: server.secretKey,
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
  };
}

function volumeBytes() {
  const names = readdirSync(join(folder, 'sealed')).filter((name) => name.includes('.vol'));
  return names.reduce((sum, name) => sum + statSync(join(folder, 'sealed', name)).size, 0);
}

function writeSource(source) {
  mkdirSync(source);
  const piece = 4 * MB;
  for (let at = 0; at < size; at += piece)
    writeFileSync(join(source, `${at / piece}`), randomBytes(Math.min(piece, size - at)));
}

function say(text) {
  process.stdout.write(`${text}\n`);
}
function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}
function speed(ms) {
  return `${(size / MB / (ms / 1000)).toFixed(0)} MB/s`;
}
function percent(share) {
  return `${(share * 100).toFixed(0)} %`;
}
