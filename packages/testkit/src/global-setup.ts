/**
 * vitest's global set-up: makes the virtual environments of the duplicity releases where they can be made, and
 * names in the test output every peer that can't be had, with what to do about it.
 */

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { findPeers, installReleases, isMissing, isOptional } from './peers.js';

export default async function setup(): Promise<void> {
  freshenCommand();
  const say = (line: string): boolean => process.stderr.write(`peers: ${line}\n`);
  await installReleases(say);
  const missing = findPeers().filter(isMissing);
  for (const peer of missing.filter(({ name }) => !isOptional(name)))
    say(`no ${peer.name}: ${peer.missing} (${peer.hint})`);
}

/** Tests start the command as it is installed, from its bundle: an older one than the sources would tell nothing about them. */
function freshenCommand(): void {
  const script = fileURLToPath(new URL('../../cli/scripts/bundle.mjs', import.meta.url));
  execFileSync(process.execPath, [script, '--if-stale'], { stdio: 'inherit' });
}
