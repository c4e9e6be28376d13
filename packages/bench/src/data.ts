/** What is backed up: made once in a folder, always the same, real files where their nature matters. */

import { spawnSync } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

/** Real trees for the mixed one: documents, scripts, libraries and programs. What is missing is passed over. */
const REAL_TREES = [
  '/usr/share',
  '/usr/lib/python3',
  '/usr/lib/llvm-14',
  '/usr/lib/gcc',
  '/usr/lib/git-core',
  '/usr/lib/jvm',
];
const TINY_FOLDERS = 500;
const TINY_FILES_A_FOLDER = 400;
const PIECE_BYTES = 1 << 20;

/** Copies of real trees until there are `bytes`. */
export function makeMixedTree(folder: string, bytes: number): void {
  fs.mkdirSync(folder, { recursive: true });
  let room = bytes;
  for (const tree of REAL_TREES) {
    if (room <= 0 || !fs.existsSync(tree)) continue;
    const entries = fs.readdirSync(tree).sort();
    const target = path.join(folder, path.basename(tree));
    fs.mkdirSync(target, { recursive: true });
    for (const entry of entries) {
      if (room <= 0) break;
      const source = path.join(tree, entry);
      execute('cp', ['-a', source, target]);
      room -= bytesOf(path.join(target, entry));
    }
  }
}

/** 200,000 files of about a hundred bytes in 500 folders, at a scale of 1. */
export function makeTinyFiles(folder: string, scale: number): void {
  for (let d = 0; d < TINY_FOLDERS; d++) {
    const place = path.join(folder, `d${String(d).padStart(3, '0')}`);
    fs.mkdirSync(place, { recursive: true });
    for (let f = 0; f < Math.max(1, TINY_FILES_A_FOLDER * scale); f++) {
      fs.writeFileSync(path.join(place, `f${String(f).padStart(3, '0')}`), `file ${d} ${f} ${'x'.repeat(80)}\n`);
    }
  }
}

/** Noise, as photos and films are to a compressor. */
export function makeMedia(folder: string, bytes: number): void {
  fs.mkdirSync(folder, { recursive: true });
  const files = 20;
  for (let i = 0; i < files; i++) writePieces(path.join(folder, `film${i}`), noise(`film ${i}`, bytes / files));
}

export type BigVersion = 'first' | 'insertions' | 'overwrites' | 'new';

/** One file, half text and half noise, and what became of it: 1,000 insertions, 1,000 pages overwritten, nothing in common. */
export function makeBigFile(file: string, bytes: number, version: BigVersion): void {
  writePieces(file, versionOf(bytes, version));
}

function* versionOf(bytes: number, version: BigVersion): Generator<Buffer> {
  const every = Math.max(PIECE_BYTES, Math.floor(bytes / 1000));
  let next = every / 2;
  let position = 0;
  for (const piece of big(version === 'new' ? 'other' : 'big', bytes)) {
    position += piece.length;
    if (position < next || version === 'first' || version === 'new') {
      yield piece;
      continue;
    }
    next += every;
    if (version === 'insertions') yield Buffer.from(`inserted at ${position}\n`);
    else piece.fill(position & 0xff, 1000, 5096);
    yield piece;
  }
}

function* big(seed: string, bytes: number): Generator<Buffer> {
  let line = 0;
  let index = 0;
  for (const piece of noise(seed, bytes)) {
    if (index++ % 2 === 0) {
      for (let at = 0; at < piece.length; ) at += piece.write(`${seed} ${line++}: ${(line * 7919) % 65_521}\n`, at);
    }
    yield piece;
  }
}

function* noise(seed: string, bytes: number): Generator<Buffer> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16));
  const zeros = Buffer.alloc(PIECE_BYTES);
  for (let left = Math.floor(bytes); left > 0; left -= PIECE_BYTES) {
    yield cipher.update(zeros.subarray(0, Math.min(left, PIECE_BYTES)));
  }
}

function writePieces(file: string, pieces: Iterable<Buffer>): void {
  const fd = fs.openSync(file, 'w');
  try {
    for (const piece of pieces) fs.writeSync(fd, piece);
  } finally {
    fs.closeSync(fd);
  }
}

/** Bytes below a place, as the files state them. */
export function bytesOf(place: string): number {
  return Number(execute('du', ['-sb', place]).split('\t')[0]);
}

function execute(command: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 24 });
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.join(' ')} failed: ${error?.message ?? stderr}`);
}
