/**
 * One thread's deflate, over a file or over programs of this machine, chunk by chunk, with zlib beside it in the same run.
 * `npm run bench -w @redup/compress [-- FILE]`
 */
import { readdirSync, readFileSync } from 'node:fs';
import { deflateRawSync } from 'node:zlib';
import { DeflateRing } from '@redup/compress';

const CHUNK = 262_144;
const data = (process.argv[2] ? readFileSync(process.argv[2]) : programs()).subarray(0, 128 << 20);

for (const level of [1, 3, 6]) {
  report(`ring level ${level}`, () => {
    const ring = DeflateRing.create({ workers: 0, level, slots: 1 });
    let stored = 0;
    for (let at = 0; at < data.length; ) {
      at += ring.write(data.subarray(at, at + CHUNK));
      if (at === data.length) ring.flush(false);
      for (let chunk = ring.take(); chunk; chunk = ring.take()) stored += chunk.output.length;
    }
    return stored;
  });
  report(`zlib level ${level}`, () => {
    let stored = 0;
    for (let at = 0; at < data.length; at += CHUNK) {
      stored += deflateRawSync(data.subarray(at, at + CHUNK), { level, memLevel: 9, chunkSize: CHUNK + 64 }).length;
    }
    return stored;
  });
}

function report(label, work) {
  const before = process.cpuUsage();
  const stored = work();
  const { user, system } = process.cpuUsage(before);
  const rate = data.length / (user + system);
  console.log(
    `${label.padEnd(16)} ${rate.toFixed(0).padStart(5)} MB per CPU second, ratio ${(stored / data.length).toFixed(4)}`,
  );
}

function programs() {
  const parts = [];
  for (const name of readdirSync('/usr/bin')) {
    try {
      parts.push(readFileSync(`/usr/bin/${name}`));
    } catch {
      // A broken link.
    }
  }
  return Buffer.concat(parts);
}
