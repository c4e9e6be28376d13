#!/usr/bin/env node
/**
 * Proof by volume: deflates real files and generated data with the WebAssembly encoder (levels 1 to 3), and inflates
 * every stream with zlib. Usage: prove.mjs GIGABYTES SEED FOLDER…   It ends with a line of figures, or with the input that failed.
 */
import { createHash } from 'node:crypto';
import { closeSync, lstatSync, openSync, readdirSync, readSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import { deflateChunk, deflateChunkBound } from '../dist/deflate-chunk.js';

const CHUNK = 262_144;
const [gigabytes = '10', seedText = '1', ...folders] = process.argv.slice(2);
const wanted = Number(gigabytes) * 1e9;
let state = Number(seedText) >>> 0 || 1;
const random = () => {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) / 2 ** 32;
};
const below = (n) => Math.floor(random() * n);

const output = new Uint8Array(deflateChunkBound(CHUNK));
const parts = [];
let chunks = 0;
let bytes = 0;
let stored = 0;

/** A stream of one to four chunks, at one level. */
function check(input, level) {
  parts.length = 0;
  const cuts = [
    0,
    ...Array.from({ length: below(3) }, () => below(input.length + 1)).sort((a, b) => a - b),
    input.length,
  ];
  for (let i = 1; i < cuts.length; i++) {
    const length = deflateChunk(input.subarray(cuts[i - 1], cuts[i]), output, level, i === cuts.length - 1);
    parts.push(Buffer.from(output.subarray(0, length)));
    stored += length;
    chunks++;
  }
  bytes += input.length;
  let result;
  try {
    result = inflateRawSync(Buffer.concat(parts));
  } catch (error) {
    fail(input, level, String(error));
  }
  if (Buffer.compare(result, input) !== 0) fail(input, level, 'other bytes came back');
}

function fail(input, level, why) {
  const path = join(tmpdir(), `deflate-failure-${createHash('sha256').update(input).digest('hex').slice(0, 12)}`);
  writeFileSync(path, input);
  console.log(`FAILED at level ${level}: ${why}; the input is ${path}`);
  process.exit(1);
}

const scratch = Buffer.alloc(CHUNK);

/** Data with the structures that encoders stumble over: few symbols, runs, periods, far matches, skewed counts, noise between. */
function generated() {
  const size = below(8) === 0 ? below(300) : below(CHUNK + 1);
  const data = scratch.subarray(0, size);
  for (let at = 0; at < size; ) {
    const run = Math.min(size - at, 1 + below(1 << below(17)));
    const kind = below(6);
    const alphabet = 1 + below(1 << below(9));
    if (kind === 0) data.fill(below(256), at, at + run);
    else if (kind === 1) for (let i = 0; i < run; i++) data[at + i] = below(alphabet);
    else if (kind === 2)
      for (let i = 0; i < run; i++) data[at + i] = Math.floor(-Math.log(random() + 1e-9) * (1 + alphabet / 16));
    else if (at > 0) {
      const distance = 1 + below(Math.min(at, kind === 3 ? 8 : kind === 4 ? 33_000 : at));
      for (let i = 0; i < run; i++) data[at + i] = data[at + i - distance];
      if (below(2) === 0) data[at + below(run)] ^= 1 << below(8);
    } else data[at] = below(256);
    at += run;
  }
  return data;
}

function* files(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* files(path);
    else if (entry.isFile() && lstatSync(path).size > 0) yield path;
  }
}

const started = performance.now();
const done = () => bytes >= wanted;
for (const folder of folders) {
  for (const path of files(folder)) {
    if (done()) break;
    const fd = openSync(path, 'r');
    for (let count = readSync(fd, scratch, 0, CHUNK, null); count > 0; count = readSync(fd, scratch, 0, CHUNK, null)) {
      for (const level of [1, 3]) check(scratch.subarray(0, count), level);
    }
    closeSync(fd);
  }
}
while (!done()) {
  const data = generated();
  for (const level of [1, 3]) check(data, level);
}
const seconds = ((performance.now() - started) / 1000).toFixed(0);
console.log(
  `${bytes} bytes in ${chunks} chunks deflated to ${stored} and inflated by zlib ${process.versions.zlib}: all came back, ${seconds} s`,
);
