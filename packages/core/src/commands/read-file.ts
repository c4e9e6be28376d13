/** One file of a time as its bytes, without a target on disk. */

import { type Moment, type PathOf, toText } from '../archive/index.js';
import { RedupError } from '../errors.js';
import { readEntries } from './read-entries.js';
import { wantedPath } from './restore.js';
import type { Workspace } from './workspace.js';

export interface ReadOptions {
  /** State at that time; default the latest. */
  readonly time?: Moment;
  readonly signal?: AbortSignal;
}

/**
 * Only volumes that can hold the file are fetched, each checked before a byte of it is used. A file with deltas needs
 * as much temporary disk as its versions are long, beyond 4 MiB each.
 * @throws RedupError NOT_A_FILE, and whatever `readEntries` throws
 */
export async function* readFile(
  workspace: Workspace,
  path: PathOf,
  options: ReadOptions,
): AsyncGenerator<Buffer, void, undefined> {
  const wanted = wantedPath(path);
  const { time, signal } = options;
  const entries = readEntries(workspace, { time, path: wanted, ...(signal === undefined ? {} : { signal }) });
  for await (const { entry, group, content } of entries) {
    if (group.path !== wanted || entry.header.type !== 'file') {
      const subject = toText(wanted);
      const isLink = group.path === wanted && entry.header.type === 'symlink';
      const what = group.path === wanted ? entry.header.type : 'directory';
      throw new RedupError('NOT_A_FILE', `${subject || 'The source itself'} is no file in the backup, but a ${what}`, {
        subject,
        hint: isLink ? `It points to ${toText(entry.header.linkName)}.` : 'List it, or read it as a tar.',
      });
    }
    yield* content.read(group);
    return;
  }
}
