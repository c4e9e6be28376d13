/** The entries of a time out of its volumes, one after another: what reading a file and writing a tar have in common. */

import { END, MORE, type Moment, type Path, toText } from '../archive/index.js';
import { ContentReader } from '../delta/index.js';
import { RedupError } from '../errors.js';
import { isWithin } from '../tree/index.js';
import type { PathVersions, SetEntry } from '../volumes/index.js';
import { openPlan, planReading, requireVolumes } from './read-plan.js';
import type { Workspace } from './workspace.js';

export interface ReadEntriesOptions {
  readonly time: Moment | undefined;
  readonly path: Path;
  readonly signal?: AbortSignal;
}

export interface ReadEntry {
  readonly path: Path;
  readonly entry: SetEntry;
  readonly group: PathVersions;
  /** Reads `group`; to be done with before the next entry is asked for. */
  readonly content: ContentReader;
}

/**
 * The path and what is below it, in archive order. Whoever leaves early ends the reading.
 * @throws RedupError NO_BACKUP, PATH_NOT_FOUND, VOLUME_MISSING, VOLUME_HASH, …; StorageError; OpenPgpError
 */
export async function* readEntries(
  workspace: Workspace,
  { time, path, signal }: ReadEntriesOptions,
): AsyncGenerator<ReadEntry, void, undefined> {
  const signalled = signal === undefined ? {} : { signal };
  const remote = await workspace.remoteCollection(signal);
  const plan = await planReading(workspace, remote, { time: workspace.timeOf(time), path, ...signalled });
  requireVolumes(plan);
  const { merged } = openPlan(workspace, plan, { onDamage: 'stop', ...signalled });
  const content = new ContentReader(() => workspace.temporaryFolder(), signal);
  let found = false;
  try {
    workspace.phase('restore');
    for (let group = merged.next(); group !== END; group = merged.next()) {
      if (group === MORE) {
        await merged.fill();
        signal?.throwIfAborted();
        continue;
      }
      const { entry } = group.versions.at(-1) ?? group.versions[0];
      if (entry.kind === 'deleted' || !isWithin(group.path, path)) continue;
      found = true;
      yield { path: group.path, entry, group, content };
    }
  } finally {
    content.close();
    await merged.close();
    workspace.dispose();
  }
  if (!found) throw notFound(path);
}

export function notFound(path: Path): RedupError {
  const subject = toText(path);
  const what = subject === '' ? 'Anything' : subject;
  return new RedupError('PATH_NOT_FOUND', `${what} is not in the backup of that time`, {
    subject,
    hint: '`redup list-current-files` (with --time) shows the paths; they are relative to the source.',
  });
}
