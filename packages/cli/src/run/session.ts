/** What all commands share: the log, the target, the repository, the time and the signal to stop. */

import type { Invocation } from '../arguments/parse.js';
import {
  type Clock,
  type EventListener,
  fromText,
  localStandardOffset,
  type NamePrefixes,
  Repository,
  type RepositoryOptions,
  systemClock,
  type TimeContext,
} from '../engine.js';
import type { ResultRecord } from '../json/results.js';
import type { Values } from '../options/index.js';
import type { Log } from '../output/log.js';
import { archivePlace } from './archive-directory.js';
import { type EncryptionContext, resolveEncryption } from './encryption.js';
import { defined, openTarget, type TargetOptions } from './target.js';

export interface Session {
  readonly invocation: Invocation;
  readonly values: Values;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly onEvent: EventListener;
  /** Takes what the command did: its last line of JSON. */
  readonly report: (result: ResultRecord) => void;
  /** Nobody reads what is printed any more. */
  readonly outputIsBroken: () => boolean;
}

export interface OpenRepositoryOptions {
  readonly url: string;
  readonly purpose: EncryptionContext['purpose'];
  readonly create?: TargetOptions['create'];
}

/** Runs `use` with an open repository and closes it afterwards. */
export async function withRepository<T>(
  session: Session,
  { url, purpose, create = 'never' }: OpenRepositoryOptions,
  use: (repository: Repository) => Promise<T>,
): Promise<T> {
  const { values, env, log, signal } = session;
  const storage = await openTarget(url, values, { create, log, signal });
  const archive = archivePlace(values, env, log);
  try {
    const isNew = async (): Promise<boolean> => {
      for await (const { name } of storage.list({ signal })) if (name.includes('duplicity-')) return false;
      return true;
    };
    const isSealed = async (): Promise<boolean> => {
      for await (const { name } of storage.list({ signal })) if (/\.(gpg|g)$/.test(name)) return true;
      return false;
    };
    const encryption = await resolveEncryption({ values, env, purpose, isNew, isSealed });
    const options = defined({ ...repositoryOptions(session), archiveDirectory: archive.path, encryption });
    return await use(Repository.open(url, { ...options, storage }));
  } finally {
    archive.dispose();
    await storage.close();
  }
}

function repositoryOptions({ values, onEvent }: Session): Partial<RepositoryOptions> {
  const { 'no-compression': plain, 'compression-level': level } = values;
  const compression = plain === true ? 'none' : level === undefined ? undefined : { level };
  return defined({
    compression: compression as RepositoryOptions['compression'],
    workers: values.workers,
    name: values.name,
    temporaryDirectory: values.tempdir,
    extensions: values['no-extensions'] === true ? false : undefined,
    metadataSync: values['metadata-sync-mode'] === 'full' ? 'full' : undefined,
    prefixes: prefixesOf(values),
    timeSeparator: values['time-separator'],
    numericOwner: values['numeric-owner'],
    forceUnlock: values['force-unlock'],
    clock: clockOf(values),
    onEvent,
  }) as Partial<RepositoryOptions>;
}

function prefixesOf(values: Values): NamePrefixes {
  const bytes = (text: string | undefined): string | undefined => (text === undefined ? undefined : fromText(text));
  return defined({
    all: bytes(values['file-prefix']),
    archive: bytes(values['file-prefix-archive']),
    manifest: bytes(values['file-prefix-manifest']),
    signature: bytes(values['file-prefix-signature']),
    statistics: bytes(values['file-prefix-jsonstat']),
  }) as NamePrefixes;
}

/** `--current-time`: a clock that stands still. */
export function clockOf(values: Values): Clock {
  const { 'current-time': time } = values;
  return time === undefined ? systemClock : { now: () => time, sleep: async () => {} };
}

export function timeContext(values: Values): TimeContext {
  const now = clockOf(values).now();
  const { 'time-separator': separator } = values;
  const standardOffsetSeconds = localStandardOffset(new Date(now * 1000).getFullYear());
  return { now, standardOffsetSeconds, ...(separator === undefined ? {} : { separator }) };
}
