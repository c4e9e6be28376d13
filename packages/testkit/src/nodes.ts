/**
 * Other releases of Node than the one at hand, from the package registry: kept beside duplicity's environments, so that
 * what users install is tried on each release that it promises.
 */

import fs from 'node:fs';
import path from 'node:path';

import { runOk } from './process.js';
import { peersDirectory } from './venv.js';

/** A release line of Node. */
export interface NodeLine {
  readonly node: number;
}

/** The program, whether or not it is there. The line of this process needs none. */
export function nodeOf({ node }: NodeLine): string {
  if (process.versions.node.startsWith(`${node}.`)) return process.execPath;
  return path.join(peersDirectory(), `node-${node}`, 'node_modules', packageName(), 'bin/node');
}

/** Under a temporary name first: what is there is whole. */
export async function installNode({ node }: NodeLine): Promise<void> {
  const directory = path.join(peersDirectory(), `node-${node}`);
  fs.mkdirSync(peersDirectory(), { recursive: true });
  const building = fs.mkdtempSync(`${directory}.making-`);
  try {
    const args = ['install', '--no-save', '--ignore-scripts', '--prefix', building, `${packageName()}@${node}`];
    const env = { ...process.env, npm_config_audit: 'false', npm_config_fund: 'false' } as Record<string, string>;
    await runOk('npm', args, { env, timeoutMs: 10 * 60_000 });
    fs.rmSync(directory, { recursive: true, force: true });
    fs.renameSync(building, directory);
  } finally {
    fs.rmSync(building, { recursive: true, force: true });
  }
}

/** npm's package of Node for this machine, which needs no script to be installed. */
function packageName(): string {
  return `node-${process.platform}-${process.arch}`;
}
