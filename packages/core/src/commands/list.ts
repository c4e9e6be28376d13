/** `list-current-files`: the entries of a time, from signatures alone. */

import {
  type ArchiveTime,
  asTime,
  type ByteString,
  END,
  type EntryType,
  formatTime,
  MORE,
  type Moment,
  type Path,
  type PathOf,
} from '../archive/index.js';
import { localSignatures } from '../cache/index.js';
import { chainAt, setsAt, signaturesFor, startTimeOf } from '../collection/index.js';
import { MergedSignatures } from '../delta/index.js';
import { RedupError } from '../errors.js';
import { isWithin } from '../tree/index.js';
import { wantedPath } from './restore.js';
import { synchronize } from './synchronize.js';
import type { Workspace } from './workspace.js';

export interface ListOptions {
  /** State at that time; default the latest. */
  readonly time?: Moment;
  /** Only this path and what is below it. */
  readonly path?: PathOf;
  readonly signal?: AbortSignal;
}

export interface FileEntry {
  /** Byte string relative to the source, `''` for the source itself; `toText` makes it readable. */
  readonly path: Path;
  readonly type: EntryType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly userName: ByteString;
  readonly groupName: ByteString;
  readonly mtime: ArchiveTime;
  readonly linkName: ByteString;
  /** Bytes; known for files that redup stored. */
  readonly size?: number;
}

/** @throws RedupError NO_BACKUP, NO_SIGNATURES, SIGNATURE_DAMAGED */
export async function* list(workspace: Workspace, options: ListOptions): AsyncGenerator<FileEntry, void, undefined> {
  const wanted = wantedPath(options.path);
  const time = workspace.timeOf(options.time) ?? workspace.now();
  const remote = await workspace.remoteCollection(options.signal);
  const chain = chainAt(remote.chains, time);
  if (chain === undefined) {
    throw new RedupError('NO_BACKUP', `There is no backup in ${workspace.storage.url}`, {
      subject: workspace.storage.url,
      hint: 'Check the URL and --file-prefix; `redup collection-status` shows what is found there.',
    });
  }
  const files = signaturesFor(setsAt(chain, time), remote.signatureChains);
  if (files === undefined) {
    throw new RedupError(
      'NO_SIGNATURES',
      'The signature files of that time are missing, so its files cannot be listed',
      {
        hint: 'A restore needs no signatures and still works.',
      },
    );
  }
  workspace.phase('metadata');
  await synchronize(workspace, remote, files, options.signal);
  if (options.time !== undefined && time < startTimeOf(chain)) {
    workspace.warn('TIME_BEFORE_FIRST', 'The time lies before the first backup; the first one is listed', {
      object: formatTime(startTimeOf(chain)),
    });
  }
  const merged = new MergedSignatures(await localSignatures(workspace.syncContext(options.signal), files));
  try {
    for (let entry = merged.next(); entry !== END; entry = merged.next()) {
      if (entry === MORE) {
        await merged.fill();
        options.signal?.throwIfAborted();
        continue;
      }
      if (entry.kind === 'deleted' || !isWithin(entry.path, wanted)) continue;
      const { type, mode, uid, gid, userName, groupName, mtime, linkName } = entry.header;
      const size = entry.facts === undefined ? {} : { size: entry.facts.size };
      yield { path: entry.path, type, mode, uid, gid, userName, groupName, mtime: asTime(mtime), linkName, ...size };
    }
  } finally {
    await merged.close();
  }
}
