/** What a check finds: values that programs read, each with what it affects and the way out. */

import { type ArchiveTime, type Path, setKey } from '../../archive/index.js';
import type { BackupSet } from '../../collection/index.js';

/**
 * Stable. What stands first is the kind of file that is wrong:
 * - `MANIFEST_…`: missing, unreadable (damaged), not naming what is stored or saying what is not so (wrong), or its copy in the
 *   archive directory says something else.
 * - `VOLUME_…`: missing, of another size than it was stored with, or damaged (hash, decryption, checksum, structure).
 * - `SIGNATURES_…`: missing, damaged, describing something else than the volumes hold, or of no set.
 * - `ENTRY_DAMAGED`: the content of one path at one time can't be put together.
 * - `SIGNER`: not signed by the key that is demanded. `DUPLICATE`: two files claim to be the same.
 * - `SET_ORPHANED`: the set it builds on is missing. `SET_UNFINISHED`: a backup that was interrupted.
 * - `NO_HASH`, `NOT_READABLE`: something could not be proven here.
 */
export type FindingCode =
  | 'MANIFEST_MISSING'
  | 'MANIFEST_DAMAGED'
  | 'MANIFEST_WRONG'
  | 'MANIFEST_COPY'
  | 'VOLUME_MISSING'
  | 'VOLUME_SIZE'
  | 'VOLUME_DAMAGED'
  | 'SIGNATURES_MISSING'
  | 'SIGNATURES_DAMAGED'
  | 'SIGNATURES_WRONG'
  | 'SIGNATURES_ORPHANED'
  | 'ENTRY_DAMAGED'
  | 'SIGNER'
  | 'DUPLICATE'
  | 'SET_ORPHANED'
  | 'SET_UNFINISHED'
  | 'NO_HASH'
  | 'NOT_READABLE';

/**
 * What does not work because of it: restoring something of `times`; or only listing `times` and continuing the chain with
 * deltas; or nothing at all.
 */
export type Affected = 'restores' | 'lists-and-increments' | 'nothing';

export interface Finding {
  readonly code: FindingCode;
  /** One sentence, as text. */
  readonly message: string;
  readonly affects: Affected;
  /** Times that are concerned, oldest first. */
  readonly times: readonly ArchiveTime[];
  /** The file in the target. */
  readonly object?: string;
  /** Byte string. */
  readonly path?: Path;
  /** First and last path of what a volume holds. */
  readonly paths?: { readonly first: Path; readonly last: Path };
  /** `check --repair` puts it right. */
  readonly repairable: boolean;
  /** What to do, one sentence. */
  readonly hint: string;
}

/** What has to be made again so that a finding is none any more. */
export interface RepairNeed {
  readonly what: 'manifest' | 'signatures' | 'copy';
  readonly set: BackupSet;
  /** The copy in the archive directory can be right still; otherwise only the volumes can tell. */
  readonly trustCopy: boolean;
}

export type NewFinding = Omit<Finding, 'times' | 'repairable'> & {
  readonly times?: Finding['times'];
  readonly repair?: RepairNeed;
};

/** A target with a million damaged files must not fill the memory. All are events; so many are kept. */
const KEPT = 1000;

export class FindingLog {
  readonly #emit: (finding: Finding) => void;
  readonly kept: Finding[] = [];
  /** By what and set: each once. */
  readonly needs = new Map<string, RepairNeed>();
  count = 0;
  /** Those that affect something. */
  damages = 0;
  /** Those of them that nothing can be done about here. */
  unrepairable = 0;

  constructor(emit: (finding: Finding) => void) {
    this.#emit = emit;
  }

  add({ repair, ...found }: NewFinding): void {
    const finding: Finding = { times: [], repairable: repair !== undefined, ...found };
    if (repair !== undefined) this.#need(repair);
    this.count++;
    if (finding.affects !== 'nothing') {
      this.damages++;
      if (repair === undefined) this.unrepairable++;
    }
    if (this.kept.length < KEPT) this.kept.push(finding);
    this.#emit(finding);
  }

  #need(repair: RepairNeed): void {
    const key = `${repair.what} ${setKey(repair.set.span)}`;
    const known = this.needs.get(key);
    this.needs.set(key, { ...repair, trustCopy: repair.trustCopy && known?.trustCopy !== false });
  }
}
