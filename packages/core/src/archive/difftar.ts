/**
 * Member names of volumes ("difftar", FORMAT.md §4): what kind of change a member holds and for which path.
 */

import { RedupError } from '../errors.js';
import { asPath, type ByteString, type Path, toText } from './bytes.js';
import type { EntryType } from './tar.js';

export type DiffKind = 'snapshot' | 'diff' | 'deleted';

/** Content is cut into chunks of exactly this many bytes: duplicity's restart depends on it. */
export const CHUNK_BYTES = 65_536;

export interface DiffMember {
  readonly kind: DiffKind;
  readonly path: Path;
  /** Chunk number from 1 of a multi-volume member. */
  readonly chunk?: number;
}

export function formatDiffMember(kind: DiffKind, path: Path, type: EntryType, chunk?: number): ByteString {
  if (chunk !== undefined) return `multivol_${kind}/${path === '' ? '.' : path}/${chunk}`;
  if (type === 'directory') return path === '' ? `${kind}/./` : `${kind}/${path}/`;
  return `${kind}/${path}`;
}

/** @throws RedupError ARCHIVE_INVALID when the name is none of duplicity's or leads out of the tree */
export function parseDiffMember(name: ByteString): DiffMember {
  const slash = name.indexOf('/');
  const word = slash < 0 ? name : name.slice(0, slash);
  const rest = slash < 0 ? '' : name.slice(slash + 1);
  switch (word) {
    case 'snapshot':
    case 'diff':
    case 'deleted':
      return { kind: word, path: parsePath(rest, name) };
    case 'multivol_snapshot':
    case 'multivol_diff': {
      const last = rest.lastIndexOf('/');
      const chunk = Number(rest.slice(last + 1));
      if (last < 0 || !/^\d{1,15}$/.test(rest.slice(last + 1)) || chunk < 1)
        throw badMember(name, 'it has no chunk number');
      return {
        kind: word === 'multivol_diff' ? 'diff' : 'snapshot',
        path: parsePath(rest.slice(0, last), name),
        chunk,
      };
    }
    default:
      throw badMember(name, 'it is no snapshot, diff or deletion');
  }
}

/**
 * The path in a member's name. Trailing `/`, `.` and empty components are dropped; what could lead out of
 * the tree is refused.
 */
export function parsePath(text: ByteString, member: ByteString): Path {
  // The usual name needs no taking apart: it only has a trailing slash, if any.
  const trimmed = text.endsWith('/') ? text.slice(0, -1) : text;
  if (!SUSPICIOUS.test(trimmed)) return asPath(trimmed);
  const components = trimmed.split('/').filter((component) => component !== '' && component !== '.');
  for (const component of components) {
    if (component === '..') throw badMember(member, 'it leads out of the tree');
    if (component.includes('\0')) throw badMember(member, 'it contains a NUL');
  }
  return asPath(components.join('/'));
}

const SUSPICIOUS = /(?:^|\/)\.{0,2}(?:\/|$)|\0/;

export function badMember(name: ByteString, why: string): RedupError {
  const subject = toText(name);
  return new RedupError(
    'ARCHIVE_INVALID',
    `The archive has an entry that cannot be right, ${JSON.stringify(subject)}: ${why}`,
    {
      subject,
    },
  );
}
