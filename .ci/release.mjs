#!/usr/bin/env node
/**
 * What a release needs beside the checks of every day (docs/stability.md#releases).
 *
 *   node .ci/release.mjs check vX.Y.Z     the tag, the versions of all packages and the changelog agree
 *   node .ci/release.mjs notes vX.Y.Z     the version's section of the changelog
 *   node .ci/release.mjs pack FOLDER      packs what is published, and prints names and SHA-256, as they depend on each other
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const [verb, argument = ''] = process.argv.slice(2);
if (verb === 'check') check(argument);
else if (verb === 'notes')
  process.stdout.write(`${sectionOf(versionOf(argument)) ?? fail('the changelog has no such version')}\n`);
else if (verb === 'pack') pack(argument);
else fail('usage: release.mjs check TAG | notes TAG | pack FOLDER');

function check(tag) {
  const version = versionOf(tag);
  for (const { manifest } of packages()) {
    if (manifest.version !== version) fail(`${manifest.name} is ${manifest.version}, the tag says ${version}`);
    for (const [name, wanted] of Object.entries(manifest.dependencies ?? {})) {
      const isOurs = packages().some((each) => each.manifest.name === name);
      if (isOurs && wanted !== version) fail(`${manifest.name} wants ${name} ${wanted}`);
    }
  }
  if (sectionOf(version) === undefined) fail(`CHANGELOG.md has no section "## ${version}"`);
  process.stdout.write(`${version} may be released\n`);
}

/** What others depend on comes first, so that at no moment a published package wants one that is not there. */
function pack(folder) {
  mkdirSync(folder, { recursive: true });
  for (const { place } of inOrder(packages())) {
    const packed = spawnSync('npm', ['pack', '--json', '--pack-destination', folder], { cwd: place, encoding: 'utf8' });
    if (packed.status !== 0) fail(packed.stderr);
    const [{ filename }] = JSON.parse(packed.stdout);
    const sha256 = createHash('sha256')
      .update(readFileSync(join(folder, filename)))
      .digest('hex');
    process.stdout.write(`${sha256}  ${filename}\n`);
  }
}

function inOrder(all) {
  const ordered = [];
  const add = (each) => {
    if (ordered.includes(each)) return;
    for (const other of all) if (other.manifest.name in (each.manifest.dependencies ?? {})) add(other);
    ordered.push(each);
  };
  all.forEach(add);
  return ordered;
}

function packages() {
  return readdirSync(join(root, 'packages'))
    .map((name) => join(root, 'packages', name))
    .filter((place) => existsSync(join(place, 'package.json')))
    .map((place) => ({ place, manifest: JSON.parse(readFileSync(join(place, 'package.json'), 'utf8')) }))
    .filter(({ manifest }) => manifest.private !== true);
}

function versionOf(tag) {
  return /^v(\d+\.\d+\.\d+(?:-[\w.]+)?)$/.exec(tag)?.[1] ?? fail(`${tag} is no tag of a release, such as v1.2.3`);
}

function sectionOf(version) {
  const sections = readFileSync(join(root, 'CHANGELOG.md'), 'utf8').split(/^## /m);
  return sections
    .find((section) => section.split(/\s/, 1)[0] === version)
    ?.split('\n')
    .slice(1)
    .join('\n')
    .trim();
}

function fail(message) {
  process.stderr.write(`release: ${message}\n`);
  process.exit(1);
}
