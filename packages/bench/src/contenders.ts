/** The programs, each started as its users start it: defaults, and a passphrase. */

import fs from 'node:fs';
import path from 'node:path';
import {
  cleanEnv,
  type DuplicityHome,
  duplicityCommand,
  duplicityHome,
  isMissing,
  type PeerName,
  peer,
  redupCommand,
  run,
  type StartedCommand,
} from '@redup/testkit';

export type Step = 'full' | 'incremental' | 'list' | 'verify' | 'restore' | 'restore one file' | 'status';

export interface StepOptions {
  /** The folder that is backed up. */
  readonly source: string;
  /** Where to restore to; not there yet. */
  readonly target: string;
  /** For `restore one file`: a path within the source. */
  readonly path?: string;
}

/** A program with a repository of its own. */
export interface Repository {
  /** What is to be run for a step. */
  command(step: Step, options: StepOptions): StartedCommand & { readonly cwd?: string };
  /** The folder whose size is the stored size. */
  readonly stored: string;
  dispose(): void;
}

export interface Contender {
  readonly name: string;
  open(folder: string): Promise<Repository>;
}

const PASSPHRASE = 'benchmark';

/** redup first: the others are compared with it. Programs that are not installed are left out. */
export async function findContenders(): Promise<Contender[]> {
  const duplicities = (['duplicity-debian', 'duplicity-current'] as const satisfies readonly PeerName[]).flatMap(
    (name) => {
      const found = peer(name);
      if (isMissing(found)) return [];
      return [
        duplicityLike(`duplicity ${found.version}`, (args, home) => duplicityCommand(found, args, settings(home))),
      ];
    },
  );
  const redup = duplicityLike('redup', (args, home) => redupCommand(args, settings(home)));
  const others = [await restic(), await borg()].filter((contender) => contender !== undefined);
  return [redup, ...duplicities, ...others];
}

function settings(home: DuplicityHome) {
  return { home, passphrase: PASSPHRASE };
}

function duplicityLike(
  name: string,
  start: (args: readonly string[], home: DuplicityHome) => StartedCommand,
): Contender {
  return {
    name,
    open: async (folder) => {
      const home = duplicityHome();
      const stored = path.join(folder, 'target');
      fs.mkdirSync(stored, { recursive: true });
      const url = `file://${stored}`;
      const wordsOf = (step: Step, { source, target, path: one }: StepOptions): string[] => {
        switch (step) {
          case 'full':
          case 'incremental':
            return [step, source, url];
          case 'list':
            return ['list-current-files', url];
          case 'verify':
            return ['verify', url, source];
          case 'restore':
            return ['restore', url, target];
          case 'restore one file':
            return ['restore', '--file-to-restore', one ?? '', url, target];
          case 'status':
            return ['collection-status', url];
        }
      };
      return { stored, command: (step, options) => start(wordsOf(step, options), home), dispose: home.dispose };
    },
  };
}

async function restic(): Promise<Contender | undefined> {
  const version = await versionOf('restic', ['version']);
  if (version === undefined) return undefined;
  return {
    name: `restic ${version}`,
    open: async (folder) => {
      const stored = path.join(folder, 'target');
      const env = cleanEnv({
        HOME: folder,
        RESTIC_REPOSITORY: stored,
        RESTIC_PASSWORD: PASSPHRASE,
        RESTIC_CACHE_DIR: path.join(folder, 'cache'),
      });
      await run('restic', ['init'], { env });
      const wordsOf = (step: Step, { source, target, path: one }: StepOptions): string[] => {
        switch (step) {
          case 'full':
          case 'incremental':
            return ['backup', source];
          case 'list':
            return ['ls', 'latest'];
          case 'verify':
            return ['check', '--read-data'];
          case 'restore':
            return ['restore', 'latest', '--target', target];
          case 'restore one file':
            return ['restore', 'latest', '--target', target, '--include', path.join(source, one ?? '')];
          case 'status':
            return ['snapshots'];
        }
      };
      return { stored, command: (step, o) => ({ command: ['restic', ...wordsOf(step, o)], env }), dispose: () => {} };
    },
  };
}

async function borg(): Promise<Contender | undefined> {
  const version = await versionOf('borg', ['--version']);
  if (version === undefined) return undefined;
  return {
    name: `borg ${version}`,
    open: async (folder) => {
      const stored = path.join(folder, 'target');
      const env = cleanEnv({ HOME: folder, BORG_REPO: stored, BORG_PASSPHRASE: PASSPHRASE, BORG_BASE_DIR: folder });
      await run('borg', ['init', '--encryption', 'repokey'], { env });
      let archives = 0;
      return {
        stored,
        dispose: () => {},
        command: (step, { source, target, path: one }) => {
          const last = `::${archives}`;
          const inside = source.replace(/^\/+/, '');
          switch (step) {
            case 'full':
            case 'incremental':
              return { command: ['borg', 'create', `::${++archives}`, source], env };
            case 'list':
              return { command: ['borg', 'list', last], env };
            case 'verify':
              return { command: ['borg', 'check', '--verify-data'], env };
            case 'restore':
            case 'restore one file': {
              fs.mkdirSync(target, { recursive: true });
              const only = step === 'restore' ? [] : [path.join(inside, one ?? '')];
              return { command: ['borg', 'extract', last, ...only], env, cwd: target };
            }
            case 'status':
              return { command: ['borg', 'list'], env };
          }
        },
      };
    },
  };
}

async function versionOf(command: string, args: readonly string[]): Promise<string | undefined> {
  const result = await run(command, args).catch(() => undefined);
  return /\d+\.\d+[.\d]*/.exec(result?.stdout ?? '')?.[0];
}
