// npm run bench -w librsync-wasm [-- --mib 400 --rounds 3 --dir /tmp --only rollsum-md4]
// Signs, compares and patches the same files with rdiff (librsync) and with this package, in turns, each on one thread, from
// the page cache and to files, and prints throughput and ratio. rdiff is a process of its own, measured by the shell's `time`;
// this package runs here, with the loops of its command (src/rdiff-wasm/files.ts): open, readSync, work, writeSync, close.
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { deltaFile, patchFile, signFile } from '../dist/rdiff-wasm/files.js';

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '400' },
    rounds: { type: 'string', default: '3' },
    dir: { type: 'string', default: tmpdir() },
    only: { type: 'string' },
  },
});
const size = Number(values.mib) * 2 ** 20;
const rounds = Number(values.rounds);
const dir = fs.mkdtempSync(join(values.dir, 'rsync-bench-'));
const at = (name) => join(dir, name);
const BLOCK = 2048;
const results = [];

/** Formats, with the strong length duplicity uses for the first. */
const FORMATS = [
  { format: 'rollsum-md4', strong: 8 },
  { format: 'rabinkarp-md4', strong: 16 },
  { format: 'rabinkarp-blake2', strong: 32 },
].filter((f) => values.only === undefined || values.only === f.format);

try {
  makeFiles();
  for (const { format, strong } of FORMATS) benchFormat(format, strong);
  verdicts();
} finally {
  fs.rmSync(dir, { recursive: true, force: true });
}

function makeFiles() {
  const pieces = Array.from({ length: 1000 }, () => 1 + randomBytes(1).readUInt8(0));
  const [old, inserted, random] = ['old', 'inserted', 'random'].map((name) => fs.openSync(at(name), 'w'));
  const step = Math.ceil(size / pieces.length);
  for (let i = 0, left = size; left > 0; i++) {
    const bytes = randomBytes(Math.min(step, left));
    fs.writeSync(old, bytes);
    fs.writeSync(inserted, randomBytes(pieces[i] ?? 1));
    fs.writeSync(inserted, bytes);
    fs.writeSync(random, randomBytes(bytes.length));
    left -= bytes.length;
  }
  for (const fd of [old, inserted, random]) fs.closeSync(fd);
}

function benchFormat(format, strong) {
  const [weak, hash] = format.split('-');
  const header = `${format}, blocks of ${BLOCK}, strong sums of ${strong} bytes, files of ${values.mib} MiB, best of ${rounds}`;
  console.log(
    `\n${header}\n${'job'.padEnd(28)}${'rdiff'.padStart(12)}${'this'.padStart(12)}${'ratio'.padStart(8)}   output, rdiff's and this one's`,
  );
  const flags = ['-b', `${BLOCK}`, '-S', `${strong}`, '-R', weak, '-H', hash, '-f'];
  row(format, 'signature', [...flags, 'signature', at('old'), at('sig')], () =>
    signFile(at('old'), at('sig2'), { blockLength: BLOCK, strongLength: strong, format }),
  );
  same('sig', 'sig2');
  for (const [job, file] of [
    ['delta, unchanged', 'old'],
    ['delta, 1000 insertions', 'inserted'],
    ['delta, unrelated', 'random'],
  ]) {
    row(format, job, ['-f', 'delta', at('sig'), at(file), at('delta')], () =>
      deltaFile(at('sig'), at(file), at('delta2')),
    );
    if (file === 'inserted') {
      row(format, 'patch, 1000 insertions', ['-f', 'patch', at('old'), at('delta'), at('out')], () =>
        patchFile(at('old'), at('delta2'), at('out2')),
      );
      same('out', 'out2', 'inserted');
    }
    execFileSync('rdiff', ['-f', 'patch', at('old'), at('delta2'), at('out')]);
    same('out', file);
  }
}

function row(format, job, args, ours) {
  const theirs = [];
  const mine = [];
  for (let i = 0; i < rounds; i++) {
    theirs.push(timeRdiff(args));
    mine.push(timeHere(ours));
  }
  const [t, m] = [Math.min(...theirs), Math.min(...mine)];
  const outputs = [args.at(-1), `${args.at(-1)}2`].map((p) => (fs.existsSync(p) ? fs.statSync(p).size : 0));
  results.push({ format, job, ratio: t / m, sizes: outputs });
  const rate = (seconds) => `${(size / seconds / 1e6).toFixed(0)} MB/s`.padStart(12);
  console.log(`${job.padEnd(28)}${rate(t)}${rate(m)}${(t / m).toFixed(2).padStart(8)}   ${outputs.join(', ')}`);
}

/** Wall seconds of the process, start included (a few milliseconds). */
function timeRdiff(args) {
  const script = 'TIMEFORMAT=%R; time "$0" "$@" 2>/dev/null';
  const run = execFileSync('bash', ['-c', `{ ${script}; } 2>&1`, 'rdiff', ...args], { encoding: 'utf8' });
  return Number(run.trim().replace(',', '.'));
}

function timeHere(work) {
  const start = performance.now();
  work();
  return (performance.now() - start) / 1000;
}

function same(...names) {
  const hashes = names.map((name) => {
    const hash = createHash('sha1');
    const fd = fs.openSync(at(name));
    const buffer = Buffer.alloc(1 << 20);
    for (let n = fs.readSync(fd, buffer); n > 0; n = fs.readSync(fd, buffer)) hash.update(buffer.subarray(0, n));
    fs.closeSync(fd);
    return hash.digest('hex');
  });
  if (new Set(hashes).size !== 1) throw new Error(`These should be the same file: ${names.join(', ')}`);
}

/** The targets of this package, against this run. */
function verdicts() {
  const targets = {
    signature: [1.6, 1.1],
    'delta, unchanged': [2.5, 1.1],
    'delta, 1000 insertions': [2.5, 1.1],
    'delta, unrelated': [6, 3],
    'patch, 1000 insertions': [1, 1],
  };
  console.log('');
  for (const { format, job, ratio, sizes } of results) {
    const target = targets[job][format.startsWith('rollsum') ? 0 : 1];
    const small = job.startsWith('delta') ? sizes[1] <= sizes[0] * 1.01 : true;
    const verdict = ratio >= target && small ? 'holds' : 'MISSED';
    console.log(
      `${verdict.padEnd(7)} ${format}, ${job}: ${ratio.toFixed(2)}, target ${target}${small ? '' : '; delta too large'}`,
    );
  }
}
