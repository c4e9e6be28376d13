/** What the volumes of one set really hold, member by member: their spans, and whether the order is right. */

import { CHUNK_BYTES, type Path, ROOT, type VolumeInfo, type VolumePosition } from '../../archive/index.js';
import { comparePaths } from '../../tree/index.js';
import type { ReadMember } from '../../volumes/index.js';

export class VolumeSpans {
  readonly #spans = new Map<number, { readonly start: VolumePosition; end: VolumePosition }>();
  #last: ReadMember | undefined;
  /** The first path that stands before its predecessor: what follows is not restored. */
  misplaced: Path | undefined;

  add(member: ReadMember): void {
    const position = positionOf(member);
    const span = this.#spans.get(member.volume);
    if (span === undefined) this.#spans.set(member.volume, { start: position, end: position });
    else span.end = position;
    const last = this.#last;
    if (last !== undefined && this.misplaced === undefined) {
      const order = comparePaths(last.path, member.path);
      if (order > 0 || (order === 0 && last.volume === member.volume && (member.chunk ?? 1) <= (last.chunk ?? 1)))
        this.misplaced = member.path;
    }
    this.#last = member;
  }

  /** Of a volume that was read to its end; one without members begins at the root and ends where the one before it does. */
  span(volume: number): { readonly start: VolumePosition; readonly end: VolumePosition } {
    const found = this.#spans.get(volume);
    if (found !== undefined) return found;
    const before = Math.max(-1, ...[...this.#spans.keys()].filter((each) => each < volume));
    return { start: { path: ROOT }, end: { path: this.#spans.get(before)?.end.path ?? ROOT } };
  }

  /** Whether a path that lies in a volume would be looked for there. */
  agreesWith(volume: number, info: VolumeInfo): boolean {
    const found = this.#spans.get(volume);
    return found === undefined || (isSame(found.start, info.start) && isSame(found.end, info.end));
  }
}

/** Not every writer numbers chunks. */
function isSame(a: VolumePosition, b: VolumePosition): boolean {
  return a.path === b.path && (a.chunk ?? b.chunk) === (b.chunk ?? a.chunk);
}

/** By the format a chunk shorter than 64 KiB is the last one, which is not numbered. */
function positionOf({ path, chunk, size }: ReadMember): VolumePosition {
  return chunk === undefined || size < CHUNK_BYTES ? { path } : { path, chunk };
}
