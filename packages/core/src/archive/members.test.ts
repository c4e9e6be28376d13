/** Member names of volumes and signature files, and the facts that redup adds to them. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asPath, type Path } from './bytes.js';
import { type DiffKind, formatDiffMember, parseDiffMember, parsePath } from './difftar.js';
import { type EntryType, HeaderEncoder, type TarHeader, TarScanner } from './index.js';
import {
  type FileFacts,
  factsFromHeader,
  factsToRecords,
  formatSignatureMember,
  parseSignatureMember,
} from './sigtar.js';

const component = fc
  .oneof(
    fc.array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: 20 }).map((b) => String.fromCharCode(...b)),
    fc.constantFrom(
      'snapshot',
      'diff',
      'deleted',
      'multivol_diff',
      '1',
      '007',
      '...',
      '.a',
      ' ',
      '\n',
      '\\',
      'a'.repeat(255),
    ),
  )
  .map((name) => name.replaceAll('/', '-'))
  .filter((name) => name !== '.' && name !== '..');
const paths: fc.Arbitrary<Path> = fc.array(component, { maxLength: 5 }).map((parts) => asPath(parts.join('/')));
const types = fc.constantFrom<EntryType>('file', 'directory', 'symlink', 'fifo', 'character-device');
const invalid = expect.objectContaining({ code: 'ARCHIVE_INVALID', subject: expect.any(String) });

describe('member names of volumes', () => {
  test('come back as what they were', () => {
    const chunks = fc.option(fc.integer({ min: 1, max: 1e9 }), { nil: undefined });
    fc.assert(
      fc.property(
        fc.constantFrom<DiffKind>('snapshot', 'diff', 'deleted'),
        paths,
        types,
        chunks,
        (kind, path, type, chunk) => {
          const inChunks = chunk !== undefined && kind !== 'deleted';
          const name = formatDiffMember(kind, path, type, inChunks ? chunk : undefined);
          expect(parseDiffMember(name)).toEqual(inChunks ? { kind, path, chunk } : { kind, path });
        },
      ),
    );
  });

  test.each([
    ['snapshot', '', 'directory', undefined, 'snapshot/./'],
    ['snapshot', '', 'symlink', undefined, 'snapshot/'],
    ['snapshot', '', 'file', undefined, 'snapshot/'],
    ['diff', '', 'file', undefined, 'diff/'],
    ['snapshot', '', 'file', 2, 'multivol_snapshot/./2'],
    ['snapshot', 'a/b', 'directory', undefined, 'snapshot/a/b/'],
    ['diff', 'a/b', 'file', 17, 'multivol_diff/a/b/17'],
    ['deleted', 'a', 'file', undefined, 'deleted/a'],
  ] as const)('%s of %j, a %s, chunk %s: %s', (kind, path, type, chunk, name) => {
    expect(formatDiffMember(kind, asPath(path), type, chunk)).toBe(name);
    expect(parseDiffMember(name)).toMatchObject({ kind, path });
  });

  test('needless slashes and dots say nothing', () => {
    expect(parseDiffMember('snapshot//a')).toEqual({ kind: 'snapshot', path: 'a' });
    expect(parseDiffMember('snapshot/./a/./b//')).toEqual({ kind: 'snapshot', path: 'a/b' });
    expect(parseDiffMember('snapshot')).toEqual({ kind: 'snapshot', path: '' });
  });

  test.each([
    'snapshot/..',
    'snapshot/../etc/passwd',
    'snapshot/a/../../b',
    'snapshot/a/..',
    'diff/..',
    'deleted/a/../..',
    'multivol_snapshot/../../x/1',
    'snapshot/a\0b',
    'snapshot/\0',
    'multivol_diff/a\0/1',
    'multivol_snapshot/1',
    'multivol_snapshot/a/0',
    'multivol_snapshot/a/-1',
    'multivol_snapshot/a/1e3',
    'multivol_snapshot/a/',
    'multivol_snapshot/a/99999999999999999999',
    'multivol_deleted/a/1',
    'Snapshot/a',
    '/snapshot/a',
    '/etc/passwd',
    '../snapshot/a',
    'etc/passwd',
    '',
  ])('%j is refused', (name) => {
    expect(() => parseDiffMember(name)).toThrow(invalid);
  });
});

describe('member names of signature files', () => {
  test('come back as what they were', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('signature' as const, 'snapshot' as const, 'deleted' as const),
        paths,
        types,
        (kind, path, type) => {
          expect(parseSignatureMember(formatSignatureMember(kind, path, type))).toEqual({ kind, path });
        },
      ),
    );
    expect(formatSignatureMember('snapshot', asPath(''), 'directory')).toBe('snapshot/');
    expect(formatSignatureMember('snapshot', asPath('d'), 'directory')).toBe('snapshot/d/');
    expect(formatSignatureMember('signature', asPath(''), 'file')).toBe('signature/');
  });

  test.each(['diff/a', 'signature/..', 'snapshot/a/../..', 'deleted/\0', 'a', ''])('%j is refused', (name) => {
    expect(() => parseSignatureMember(name)).toThrow(invalid);
  });
});

test('no member name leads to a path with a component that leads elsewhere', () => {
  const soup = fc.array(fc.constantFrom('/', '.', '..', 'a', '\0', 'snapshot', ' ', '\xff'), { maxLength: 12 });
  fc.assert(
    fc.property(soup, (parts) => {
      let path: Path;
      try {
        path = parsePath(parts.join(''), 'member');
      } catch {
        return;
      }
      if (path === '') return;
      for (const part of path.split('/')) expect(['', '.', '..'].includes(part) || part.includes('\0')).toBe(false);
    }),
    { numRuns: 3000 },
  );
});

describe('facts beside a signature', () => {
  const facts: fc.Arbitrary<FileFacts> = fc.record({
    size: fc.nat(Number.MAX_SAFE_INTEGER),
    mtimeUs: fc.integer({ min: -(2 ** 50), max: 2 ** 52 }),
    ctimeUs: fc.integer({ min: 0, max: 2 ** 52 }),
    inode: fc.nat(Number.MAX_SAFE_INTEGER),
    incomplete: fc.boolean(),
  });
  const header = (records?: TarHeader['records']): TarHeader => ({
    name: 'signature/a',
    type: 'file',
    mode: 0,
    uid: 0,
    gid: 0,
    userName: '',
    groupName: '',
    size: 0,
    mtime: 0,
    linkName: '',
    deviceMajor: 0,
    deviceMinor: 0,
    ...(records === undefined ? {} : { records }),
  });

  test('come back through a tar header', () => {
    fc.assert(
      fc.property(facts, (given) => {
        const scanner = new TarScanner();
        scanner.feed(new HeaderEncoder().encode(header(factsToRecords(given))));
        const item = scanner.next();
        expect(item?.kind === 'member' ? factsFromHeader(item.header) : undefined).toEqual(given);
      }),
    );
  });

  test('take as many bytes whether the file is whole or not, so that its header can be written again', () => {
    fc.assert(
      fc.property(facts, (given) => {
        const size = (incomplete: boolean) =>
          new HeaderEncoder().encode(header(factsToRecords({ ...given, incomplete }))).length;
        expect(size(true)).toBe(size(false));
      }),
    );
  });

  test.each(['', 'x', '1 2 3', '1 2 x 4 whole', 'NaN 1 1 1 whole', '1 2 3 Infinity whole'])(
    '%j is no fact, and no error either',
    (text) => {
      expect(factsFromHeader(header(new Map([['REDUP.stat', text]])))).toBeUndefined();
      expect(factsFromHeader(header())).toBeUndefined();
    },
  );
});
