/**
 * Side by side with `gpg --symmetric` and `gpg --decrypt`, in one run, over files of this machine.
 * `npm run bench -w @redup/openpgp [-- MEGABYTES]`. Only the ratios of one run mean anything.
 */
import { spawnSync } from 'node:child_process';
import {
  createReadStream,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeflateRing } from '@redup/compress';
import { createSeal, open, Secret } from '@redup/openpgp';

const megabytes = Number(process.argv[2] ?? 256);
const folder = mkdtempSync(join(tmpdir(), 'pgp-bench-'));
const input = join(folder, 'input');
const passphrase = Secret.fromText('bench');
const nowhere = openSync('/dev/null', 'w');

try {
  writeFileSync(input, corpus(megabytes << 20));
  const passphraseFile = join(folder, 'pass');
  writeFileSync(passphraseFile, 'bench\n', { mode: 0o600 });
  const gpg = (...args) => {
    const fixed = ['--batch', '--yes', '--no-tty', '--pinentry-mode', 'loopback', '--passphrase-file', passphraseFile];
    // The shell tells what gpg used of the processor, which is what counts on a busy machine.
    const script = 'gpg "$@" || exit 1; times >&2';
    const { status, stderr } = spawnSync('sh', ['-c', script, 'sh', ...fixed, ...args], {
      stdio: ['ignore', nowhere, 'pipe'],
    });
    if (status !== 0) throw new Error(String(stderr));
    const [, children = ''] = String(stderr).trim().split('\n').slice(-2);
    return [...children.matchAll(/(\d+)m([\d.]+)s/g)].reduce((sum, [, m, s]) => sum + Number(m) * 60 + Number(s), 0);
  };
  const theirs = join(folder, 'theirs.gpg');
  const ours = join(folder, 'ours.gpg');

  const gpgSeal = await timed('gpg --symmetric', () => gpg('--symmetric', '-o', theirs, input));
  for (const [label, options] of [
    ['seal, level 6, inline', { workers: 0, level: 6 }],
    ['seal, level 3, inline', { workers: 0, level: 3 }],
    ['seal, level 6, a worker per core', { level: 6 }],
    ['seal, level 3, a worker per core', { level: 3 }],
    ['seal, level 1, a worker per core', { level: 1 }],
  ]) {
    let stored = 0;
    const own = await timed(label, async () => {
      stored = await sealFile(input, ours, options);
    });
    console.log(`    ${compared(gpgSeal, own)}, ratio ${(stored / readFileSync(input).length).toFixed(3)}`);
  }
  console.log(`    gpg's ratio ${(readFileSync(theirs).length / readFileSync(input).length).toFixed(3)}`);

  for (const message of [theirs, ours]) {
    const label = message === theirs ? 'of gpg' : 'of ours';
    const gpgOpen = await timed(`gpg --decrypt ${label}`, () => gpg('--decrypt', message));
    const own = await timed(`open ${label}`, () => openFile(message));
    console.log(`    ${compared(gpgOpen, own)}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function compared(gpg, own) {
  return `${(gpg.seconds / own.seconds).toFixed(2)} times as fast as gpg, ${(own.cpu / gpg.cpu).toFixed(2)} of its CPU time`;
}

/** Source code and programs, as backups have them. */
function corpus(bytes) {
  const parts = [];
  let length = 0;
  const walk = (path) => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (length >= bytes) return;
      const child = join(path, entry.name);
      if (entry.isDirectory()) walk(child);
      else if (entry.isFile()) {
        const content = readFileSync(child);
        parts.push(content);
        length += content.length;
      }
    }
  };
  for (const root of ['/usr/lib/python3', '/usr/lib/x86_64-linux-gnu', '/usr/share', '/usr/bin']) {
    try {
      walk(root);
    } catch {
      // Not there, or not readable: others are.
    }
  }
  return Buffer.concat(parts).subarray(0, bytes);
}

async function timed(label, work) {
  const start = process.hrtime.bigint();
  const cpu = process.cpuUsage();
  const childCpu = await work();
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const { user, system } = process.cpuUsage(cpu);
  console.log(
    `${label.padEnd(36)} ${seconds.toFixed(2)} s  ${(megabytes / seconds).toFixed(0)} MB/s  CPU ${(childCpu ?? (user + system) / 1e6).toFixed(2)} s`,
  );
  return { seconds, cpu: childCpu ?? (user + system) / 1e6 };
}

/** As the engine does it: the main thread reads synchronously, and seals in order what comes back. */
async function sealFile(from, to, options) {
  const ring = DeflateRing.create(options);
  const message = await createSeal({ passphrase, compression: 'zip' });
  const source = openSync(from, 'r');
  const target = openSync(to, 'w');
  const buffer = new Uint8Array(262_144);
  let stored = 0;
  const store = (bytes) => {
    writeSync(target, bytes);
    stored += bytes.length;
  };
  const drain = () => {
    for (let chunk = ring.take(); chunk !== undefined; chunk = ring.take()) store(message.encrypt(chunk.output));
  };
  const write = async (pieces) => {
    for (const piece of pieces) {
      for (let at = 0; at < piece.length; ) {
        at += ring.write(piece.subarray(at));
        drain();
        if (at < piece.length) await ring.ready();
      }
    }
  };
  for (let count = readSync(source, buffer); count > 0; count = readSync(source, buffer)) {
    await write(message.frame(buffer.subarray(0, count)));
  }
  await write(await message.finishFrame());
  while (!ring.flush(true)) {
    await ring.ready();
    drain();
  }
  while (ring.pending > 0) {
    await ring.ready();
    drain();
  }
  store(message.finish());
  await ring.close();
  return stored;
}

async function openFile(path) {
  for await (const piece of open(createReadStream(path, { highWaterMark: 1 << 20 }), { passphrase }))
    writeSync(nowhere, piece);
}
