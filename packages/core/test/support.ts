/** Repositories for tests: a file target, an archive directory of their own, and a clock that the test sets. */

import { Secret } from '@redup/openpgp';
import { FileStorage, type Storage } from '@redup/storage';
import type { Clock, RedupEvent, RepositoryOptions } from '../src/index.js';
import { Repository } from '../src/index.js';

export const PASSPHRASE = 'correct horse';

/** How a set is stored: the three forms that need no keys. */
export type Mode = 'plain' | 'gzip' | 'symmetric';

export const MODES: readonly Mode[] = ['plain', 'gzip', 'symmetric'];

export interface TestRepository {
  readonly repository: Repository;
  readonly events: RedupEvent[];
}

export interface TestRepositoryOptions extends Omit<RepositoryOptions, 'storage'> {
  readonly target: string;
  readonly archiveDirectory: string;
  readonly mode: Mode;
  readonly passphrase?: string;
  /** Seconds; the real clock by default. */
  readonly now?: number;
  readonly storage?: Storage;
}

export async function openRepository(options: TestRepositoryOptions): Promise<TestRepository> {
  const { target, mode, now, passphrase = PASSPHRASE, storage, onEvent, ...rest } = options;
  const events: RedupEvent[] = [];
  const secret = Secret.fromText(passphrase);
  const encrypted = mode === 'symmetric';
  const repository = Repository.open(`file://${target}`, {
    storage: storage ?? (await FileStorage.open(target, { create: 'if-missing' })),
    workers: 0,
    compression: mode === 'plain' ? 'none' : { level: 1 },
    ...(encrypted
      ? { encryption: { seal: { passphrase: secret, s2kCountOctet: 0 }, open: { passphrase: secret } } }
      : {}),
    ...(now === undefined ? {} : { clock: fixedClock(now) }),
    onEvent: (event) => {
      events.push(event);
      onEvent?.(event);
    },
    ...rest,
  });
  return { repository, events };
}

export function fixedClock(now: number): Clock {
  let time = now;
  return {
    now: () => time,
    sleep: async (ms) => {
      time += ms / 1000;
    },
  };
}

export function warnings(events: readonly RedupEvent[]): string[] {
  return events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));
}
