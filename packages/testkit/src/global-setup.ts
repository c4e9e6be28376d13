/**
 * vitest's global set-up: makes the virtual environments of the duplicity releases where they can be made, and
 * names in the test output every peer that can't be had, with what to do about it.
 */

import { findPeers, installReleases, isMissing } from './peers.js';

export default async function setup(): Promise<void> {
  const say = (line: string): boolean => process.stderr.write(`peers: ${line}\n`);
  await installReleases(say);
  for (const peer of findPeers().filter(isMissing)) say(`no ${peer.name}: ${peer.missing} (${peer.hint})`);
}
