#!/usr/bin/env node
/**
 * The main job, end to end, on real files: `npm run quickstart [SOURCE [TARGET]]`.
 *
 * Copies SOURCE (default: this repository with its node_modules) into a fresh temporary folder, because some of the files are
 * changed on the way and yours must not be; makes an encrypted full backup of the copy to TARGET (default: beside it),
 * changes files, makes an incremental backup, verifies, restores both times into fresh folders and compares everything
 * with code of its own (compare-trees.mjs). Ends with what each step cost, and with an error if anything differs.
 */

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { styleText } from 'node:util';
import { asTime, Repository, Secret, StorageRegistry } from '@redup/core';
import { registerS3 } from '@redup/storage-s3';
import { changeSome } from './change-tree.mjs';
import { compareTrees, describeTree } from './compare-trees.mjs';

const workspace = resolve(import.meta.dirname, '../../..');

async function main([sourceArgument, targetArgument]) {
  const source = realpathSync(sourceArgument ?? workspace);
  const folder = mkdtempSync(join(tmpdir(), 'redup-quickstart-'));
  const work = join(folder, 'source');
  const target = targetArgument ?? pathToFileURL(join(folder, 'target')).href;
  const url = target.includes('://') ? target : pathToFileURL(resolve(target)).href;
  const steps = [];

  say(`The main job on ${source}, in ${folder}`);
  await step(steps, 'copy', () => copyTree(source, work, folder));
  const repository = await openRepository(url, folder);
  try {
    const full = await step(steps, 'full backup', (progress) => back(repository, work, 'full', progress));
    const first = await step(steps, 'restore it', (progress) =>
      restore(repository, full.time, folder, 'first', progress),
    );
    await step(steps, 'compare', () => mustBeEqual(work, first.target));
    const changed = changeSome(work);
    say(
      `Changed ${changed.rewritten} files, removed ${changed.removed}, added ${changed.added}, touched ${changed.touched}.`,
    );
    const inc = await step(steps, 'incremental', (progress) => back(repository, work, 'incremental', progress));
    await step(steps, 'verify', (progress) => verify(repository, work, progress));
    const second = await step(steps, 'restore it', (progress) =>
      restore(repository, inc.time, folder, 'second', progress),
    );
    await step(steps, 'compare', () => mustBeEqual(work, second.target));
    // The first restore was compared before the changes. Once more at its time, now that there are two sets:
    const again = await step(steps, 'restore first', (progress) =>
      restore(repository, full.time, folder, 'first-again', progress),
    );
    await step(steps, 'compare', () => mustBeEqual(first.target, again.target));
  } finally {
    await repository.close();
  }
  report(steps, folder, url);
}

async function openRepository(url, folder) {
  const passphrase = Secret.fromText(randomBytes(24).toString('base64url'));
  // Without it nobody could look at the archives afterwards. They are a demonstration's.
  passphrase.use((bytes) => writeFileSync(join(folder, 'passphrase'), bytes, { mode: 0o600 }));
  const storage = await registerS3(new StorageRegistry()).open(url, { create: 'if-missing' });
  return Repository.open(url, {
    storage,
    archiveDirectory: join(folder, 'archive-dir'),
    temporaryDirectory: folder,
    encryption: { seal: { passphrase }, open: { passphrase } },
    onEvent: (event) => onEvent(event),
  });
}

let onEvent = () => {};

/** Runs one step with a line of progress, and notes what it cost. */
async function step(steps, name, run) {
  const began = performance.now();
  const line = progressLine(name);
  onEvent = line.onEvent;
  const result = await run(line).finally(() => line.clear());
  const seconds = (performance.now() - began) / 1000;
  const { files, bytes, stored } = result;
  steps.push({ name, files, bytes, stored, seconds });
  say(`${name.padEnd(14)} ${count(files)} entries, ${megabytes(bytes)} MB, ${seconds.toFixed(1)} s`);
  return result;
}

function progressLine(name) {
  const began = performance.now();
  const isTerminal = process.stderr.isTTY === true;
  let shown = false;
  const clear = () => {
    if (shown) process.stderr.write('\r\x1b[K');
    shown = false;
  };
  return {
    clear,
    onEvent(event) {
      if (event.type === 'warning') {
        clear();
        process.stderr.write(`${JSON.stringify(event.message)}\n`);
      }
      if (event.type !== 'progress' || !isTerminal) return;
      const seconds = Math.max(0.1, (performance.now() - began) / 1000);
      const rate = megabytes(event.bytes / seconds);
      process.stderr.write(`\r${name}: ${count(event.files)} files, ${megabytes(event.bytes)} MB, ${rate} MB/s\x1b[K`);
      shown = true;
    },
  };
}

/** `cp` shares the blocks where the file system can, and keeps everything that is compared later. */
async function copyTree(source, work, folder) {
  const size = describeTree(source);
  const { bavail, bsize } = statfsSync(folder);
  if (size.bytes * 5 > bavail * bsize) {
    throw new Error(
      `${folder} has room for ${megabytes(bavail * bsize)} MB, this needs some ${megabytes(size.bytes * 5)}: set TMPDIR`,
    );
  }
  execFileSync('cp', ['-a', '--reflink=auto', '--', source, work], { stdio: ['ignore', 'inherit', 'inherit'] });
  return describeTree(work);
}

async function back(repository, source, type) {
  const { time, statistics, volumes } = await repository.backup({ source, type });
  if (statistics.errors > 0) throw new Error(`${statistics.errors} entries could not be backed up`);
  return {
    time,
    volumes,
    files: statistics.sourceFiles,
    bytes: statistics.sourceFileSize,
    stored: statistics.totalDestinationSizeChange,
  };
}

async function restore(repository, time, folder, name) {
  const target = join(folder, name);
  const { files, bytes, problems } = await repository.restore({ target, time: asTime(time) });
  if (problems > 0) throw new Error(`${problems} entries were not restored as they were stored`);
  return { target, files, bytes };
}

async function verify(repository, local) {
  const { files, bytes, differences, problems } = await repository.verify({ local, compare: 'data' });
  if (differences + problems > 0) throw new Error(`verify found ${differences} differences and ${problems} problems`);
  return { files, bytes };
}

async function mustBeEqual(expected, actual) {
  const { differences, entries, bytes } = compareTrees(expected, actual);
  if (differences.length === 0) return { files: entries, bytes };
  for (const line of differences.slice(0, 50)) console.error(line);
  throw new Error(`${differences.length} differences between ${expected} and ${actual}`);
}

function report(steps, folder, url) {
  const rows = steps.map(({ name, files, bytes, stored, seconds }) => [
    name,
    count(files),
    megabytes(bytes),
    stored === undefined ? '' : megabytes(stored),
    seconds.toFixed(1),
    megabytes(bytes / seconds),
  ]);
  const table = [['step', 'entries', 'MB', 'MB stored', 'seconds', 'MB/s'], ...rows];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  say('');
  for (const [index, row] of table.entries()) {
    const line = row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
      .join('  ');
    say(index === 0 ? bold(line) : line);
  }
  say('');
  say(`Both restores are equal to their sources, byte for byte, with types, modes, owners, times and links.`);
  say(`The archives:   ${url} (${readableCount(url)})`);
  say(`Everything:     ${folder}`);
  say(`Look at them:   PASSPHRASE=$(cat ${join(folder, 'passphrase')}) npx redup list-current-files ${url}`);
  say(`Remove it all:  rm -r ${folder}`);
}

function readableCount(url) {
  const folder = url.startsWith('file://') ? decodeURIComponent(url.slice('file://'.length)) : undefined;
  return folder !== undefined && existsSync(folder) ? `${readdirSync(folder).length} files` : basename(url);
}

function count(number) {
  return `${number}`.replace(/\B(?=(\d{3})+$)/g, ',');
}

function megabytes(bytes) {
  return bytes === undefined ? '' : (bytes / 1e6).toFixed(bytes < 1e6 ? 2 : bytes < 1e8 ? 1 : 0);
}

function bold(text) {
  return process.stdout.isTTY && !process.env.NO_COLOR ? styleText('bold', text) : text;
}

function say(text) {
  process.stdout.write(`${text}\n`);
}

mkdirSync(tmpdir(), { recursive: true });
try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(
    `\nThe quickstart failed: ${error.message}\n${error.hint === undefined ? '' : `  ${error.hint}\n`}`,
  );
  process.exitCode = 1;
}
