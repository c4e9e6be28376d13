#!/usr/bin/env node
/**
 * Lists the programs that redup is tested against, or installs them.
 *
 *   node packages/testkit/scripts/peers.mjs           list
 *   node packages/testkit/scripts/peers.mjs install   Debian's packages (as root) and releases of duplicity, then list
 */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';

const built = new URL('../dist/index.js', import.meta.url);
if (!fs.existsSync(built)) fail('the testkit is not built yet: run `npm ci` first');
const { findPeers, installReleases, isMissing, isOptional } = await import(built.href);

const [verb, ...rest] = process.argv.slice(2);
if (rest.length > 0 || (verb !== undefined && verb !== 'install')) fail('usage: peers.mjs [install]');
if (verb === 'install') {
  const script = fileURLToPath(new URL('./apt-install.sh', import.meta.url));
  const installed = spawnSync('bash', [script], { stdio: ['ignore', 'inherit', 'inherit'] });
  if (installed.status !== 0) console.error("peers: some of Debian's packages are not installed");
  await installReleases((line) => console.error(`peers: ${line}`));
}
const peers = findPeers();
const width = Math.max(...peers.map(({ name }) => name.length));
for (const peer of peers) {
  const state = isMissing(peer)
    ? `missing: ${peer.missing}; ${peer.hint}`
    : `${peer.version}  ${peer.command.join(' ')}`;
  console.log(`${peer.name.padEnd(width)}  ${state}`);
}
process.exitCode = verb === 'install' && peers.some((peer) => isMissing(peer) && !isOptional(peer.name)) ? 1 : 0;

function fail(message) {
  console.error(`peers: ${message}`);
  process.exit(2);
}
