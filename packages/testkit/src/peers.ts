/**
 * The programs that redup is tested against: found on the system, or (releases of duplicity) in virtual
 * environments that `venv.ts` makes once and keeps outside the work tree.
 *
 * A test asks with `requirePeer`. A peer that can't be had skips the test and says why; with CI=true, where
 * `.ci/run` has installed them all, it fails the test.
 */

import { spawnSync } from 'node:child_process';

import { installNode, type NodeLine, nodeOf } from './nodes.js';
import { environmentOf, installEnvironment, type Release } from './venv.js';

export type PeerName = keyof typeof DEFINITIONS;

/** The peers that are a duplicity, for tests that run over all of them. */
export const DUPLICITY_PEERS = [
  'duplicity-debian',
  'duplicity-1',
  'duplicity-2',
  'duplicity-3.0',
  'duplicity-current',
] as const;
export type DuplicityPeerName = (typeof DUPLICITY_PEERS)[number];

/** Releases under Pythons that wrote the older tar headers. They are used where such a Python is, and asked of nobody. */
export const OLD_DUPLICITY_PEERS = ['duplicity-python2.7', 'duplicity-python3.7'] as const;

export interface Peer {
  readonly name: PeerName;
  readonly version: string;
  /** The command to start, with the arguments that come before all others. */
  readonly command: readonly [string, ...string[]];
}

export interface MissingPeer {
  readonly name: PeerName;
  /** Why it can't be had. */
  readonly missing: string;
  /** What to do about it. */
  readonly hint: string;
}

/** What `requirePeer` and its like need of a vitest test context. */
export interface SkipContext {
  skip(note?: string): unknown;
  readonly task?: { readonly meta: object };
}

interface SystemDefinition {
  readonly command: string;
  readonly versionArgs: readonly string[];
  /** First group: the version. */
  readonly version: RegExp;
  /** The Debian package that has it. */
  readonly apt: string;
}

/** The releases of Node that redup promises to run on. */
export const NODE_PEERS = ['node-20', 'node-22', 'node-24'] as const;

/** A release of duplicity in the Python registry. */
type ReleaseDefinition = Release;

type Definition = SystemDefinition | ReleaseDefinition | NodeLine;

const DEFINITIONS = {
  'duplicity-debian': {
    command: '/usr/bin/duplicity',
    versionArgs: ['--version'],
    version: /duplicity (\S+)/,
    apt: 'duplicity',
  },
  // The newest release when this was written; raise it by hand, so that a new release never breaks an old commit.
  'duplicity-current': { release: '3.2.1' },
  'duplicity-3.0': { release: '3.0.7' },
  'duplicity-2': { release: '2.2.4' },
  'duplicity-1': { release: '1.2.3' },
  'duplicity-python3.7': { release: '0.8.18', python: '3.7' },
  'duplicity-python2.7': { release: '0.8.11.1566', python: '2.7' },
  rdiff: { command: 'rdiff', versionArgs: ['--version'], version: /librsync ([\d.]+)/, apt: 'rdiff' },
  gpg: { command: 'gpg', versionArgs: ['--version'], version: /gpg \(GnuPG\) (\S+)/, apt: 'gnupg' },
  gpg1: { command: 'gpg1', versionArgs: ['--version'], version: /gpg \(GnuPG\) (\S+)/, apt: 'gnupg1' },
  sq: { command: 'sq', versionArgs: ['--version'], version: /sq (\S+)/, apt: 'sq' },
  restic: { command: 'restic', versionArgs: ['version'], version: /restic (\S+)/, apt: 'restic' },
  time: { command: '/usr/bin/time', versionArgs: ['--version'], version: /Time\)? (\S+)/, apt: 'time' },
  systemd: { command: 'systemd-analyze', versionArgs: ['--version'], version: /systemd (\S+)/, apt: 'systemd' },
  radosgw: { command: 'radosgw', versionArgs: ['--version'], version: /ceph version (\S+)/, apt: 'radosgw' },
  'node-20': { node: 20 },
  'node-22': { node: 22 },
  'node-24': { node: 24 },
} satisfies Record<string, Definition>;

const found = new Map<PeerName, Peer | MissingPeer>();

/** Nobody has to have it. */
export function isOptional(name: PeerName): boolean {
  return (OLD_DUPLICITY_PEERS as readonly string[]).includes(name);
}

export function isMissing(peer: Peer | MissingPeer): peer is MissingPeer {
  return 'missing' in peer;
}

/** Looks a peer up; the answer is kept for the life of the process. */
export function peer(name: PeerName): Peer | MissingPeer {
  const known = found.get(name);
  if (known !== undefined) return known;
  const definition: Definition = DEFINITIONS[name];
  const result =
    'release' in definition
      ? releasePeer(name, definition)
      : 'node' in definition
        ? nodePeer(name, definition)
        : systemPeer(name, definition);
  found.set(name, result);
  return result;
}

/** All peers, those that can't be had as well. */
export function findPeers(): (Peer | MissingPeer)[] {
  return PEER_NAMES.map((name) => peer(name));
}

export const PEER_NAMES = Object.keys(DEFINITIONS) as readonly PeerName[];

/**
 * The peer, or no further line of the test: it is skipped with the reason in the output, and failed when CI=true.
 *
 * @param context - the test's: `test('…', async (context) => { const gpg = requirePeer(context, 'gpg'); … })`
 */
export function requirePeer(context: SkipContext, name: PeerName): Peer {
  const result = peer(name);
  if (!isMissing(result)) return result;
  const reason = `needs ${name}: ${result.missing} (${result.hint})`;
  if (process.env['CI'] === 'true') throw new Error(reason);
  context.skip(reason);
  throw new Error(reason);
}

/** Makes the virtual environments of the duplicity releases, and fetches the Nodes, that aren't there yet, and looks again. */
export async function installReleases(
  report: (line: string) => void,
  names: readonly PeerName[] = PEER_NAMES.filter((name) => !isOptional(name)),
): Promise<void> {
  for (const name of names) {
    const definition: Definition = DEFINITIONS[name];
    if (!isMissing(peer(name))) continue;
    if ('release' in definition) {
      report(`making a virtual environment for duplicity ${definition.release} …`);
      await installEnvironment(definition).catch((error: Error) => report(error.message));
    } else if ('node' in definition) {
      report(`fetching Node ${definition.node} …`);
      await installNode(definition).catch((error: Error) => report(error.message));
    }
    found.delete(name);
  }
}

const INSTALL = 'node packages/testkit/scripts/peers.mjs install';

function releasePeer(name: PeerName, definition: ReleaseDefinition): Peer | MissingPeer {
  const environment = environmentOf(definition);
  if ('missing' in environment) return { name, missing: environment.missing, hint: INSTALL };
  const { python, script } = environment;
  return versionOf(name, [python, script], ['--version'], /duplicity (\S+)/, INSTALL);
}

function nodePeer(name: PeerName, definition: NodeLine): Peer | MissingPeer {
  return versionOf(name, [nodeOf(definition)], ['--version'], /^v(\S+)/, INSTALL);
}

function systemPeer(name: PeerName, definition: SystemDefinition): Peer | MissingPeer {
  const { command, versionArgs, version, apt } = definition;
  return versionOf(name, [command], versionArgs, version, `apt-get install ${apt}`);
}

function versionOf(
  name: PeerName,
  command: readonly [string, ...string[]],
  args: readonly string[],
  pattern: RegExp,
  hint: string,
): Peer | MissingPeer {
  const [program, ...first] = command;
  const answer = spawnSync(program, [...first, ...args], { encoding: 'utf8', timeout: 30_000 });
  if (answer.error !== undefined) return { name, missing: `${program} can't be started`, hint };
  // A broken installation tells a traceback, in which anything may stand.
  const version = answer.status === 0 ? pattern.exec(answer.stdout + answer.stderr)?.[1] : undefined;
  if (version === undefined) return { name, missing: `${program} doesn't tell its version`, hint };
  return { name, version, command };
}
