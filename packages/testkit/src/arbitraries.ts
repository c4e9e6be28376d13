/**
 * fast-check arbitraries for trees: the names, sizes, modes and times at which archive formats break.
 *
 * Sockets aren't among them: an archive can't hold one (`makeSocket` makes one by hand). Nor are mtimes before 1970,
 * which duplicity stores as 0.
 */

import fc from 'fast-check';

import { comparePaths, fromText } from './bytes.js';
import { type Content, seeded } from './content.js';
import { type Attributes, directory, isRoot, type TreeModel, type TreeNode } from './tree.js';

export interface TreeOptions {
  /** Default: 12. Their missing parents come on top. */
  readonly maxEntries?: number;
  /** Upper bound of generated sizes. Default: 5 MiB; everything above 1.1 MB is rare. */
  readonly maxFileBytes?: number;
  /** Devices, foreign owners and modes that keep a normal user out. Default: whether this process is root. */
  readonly asRoot?: boolean;
}

/** A tree with its root. Every path's parent is a directory of the tree. */
export function treeArbitrary(options: TreeOptions = {}): fc.Arbitrary<TreeModel> {
  const entry = fc.tuple(pathArbitrary(), nodeArbitrary(options));
  return fc
    .tuple(directoryArbitrary(options), fc.array(entry, { maxLength: options.maxEntries ?? 12 }))
    .map(([root, entries]) => {
      const model = new Map<string, TreeNode>([['', root]]);
      for (const [path, node] of entries) addEntry(model, path, node);
      return sorted(model);
    });
}

/** Puts a node where its path says unless something else is in the way; missing parents are made. */
export function addEntry(model: Map<string, TreeNode>, path: string, node: TreeNode): void {
  const parts = path.split('/');
  const parents = parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
  if (model.has(path) || parents.some((parent) => (model.get(parent)?.type ?? 'directory') !== 'directory')) return;
  for (const parent of parents) if (!model.has(parent)) model.set(parent, directory());
  model.set(path, node);
}

export function sorted(model: ReadonlyMap<string, TreeNode>): TreeModel {
  return new Map([...model].sort(([a], [b]) => comparePaths(a, b)));
}

/** A file name, 1 to 255 bytes. */
export function nameArbitrary(): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...NEIGHBOURS) },
    { weight: 3, arbitrary: fc.constantFrom(...NASTY) },
    { weight: 2, arbitrary: bytesOf(/^[\w.-]+$/, 1, 14) },
    { weight: 2, arbitrary: bytesOf(/^[^/\0]+$/, 1, 24) },
    { weight: 1, arbitrary: longNameArbitrary() },
  );
}

/** A path of one to four names. */
export function pathArbitrary(): fc.Arbitrary<string> {
  return fc.array(nameArbitrary(), { minLength: 1, maxLength: 4, size: 'small' }).map((names) => names.join('/'));
}

/** One entry of any type. */
export function nodeArbitrary(options: TreeOptions = {}): fc.Arbitrary<TreeNode> {
  const { asRoot = isRoot() } = options;
  const special = fc.oneof(
    linkArbitrary(options),
    attributesArbitrary(FILE_MODES, options).map((attributes): TreeNode => ({ type: 'fifo', ...attributes })),
    ...(asRoot ? [deviceArbitrary(options)] : []),
  );
  return fc.oneof(
    { weight: 6, arbitrary: fileArbitrary(options) },
    { weight: 2, arbitrary: directoryArbitrary(options) },
    { weight: 3, arbitrary: special },
  );
}

export function fileArbitrary(options: TreeOptions = {}): fc.Arbitrary<TreeNode> {
  return fc
    .tuple(contentArbitrary(options), attributesArbitrary(FILE_MODES, options))
    .map(([content, attributes]): TreeNode => ({ type: 'file', content, ...attributes }));
}

export function contentArbitrary(options: TreeOptions = {}): fc.Arbitrary<Content> {
  return fc.tuple(fc.nat(9999), sizeArbitrary(options)).map(([seed, size]) => seeded(seed, size));
}

/** Around what the formats count in: tar blocks, chunks of 64 KiB, the steps of the signature block length. */
export function sizeArbitrary({ maxFileBytes = 5 << 20 }: TreeOptions = {}): fc.Arbitrary<number> {
  const around = (...centres: readonly number[]): fc.Arbitrary<number> =>
    fc.tuple(fc.constantFrom(...centres), fc.integer({ min: -1, max: 1 })).map(([centre, step]) => centre + step);
  return fc
    .oneof(
      { weight: 4, arbitrary: fc.constantFrom(0, 1) },
      { weight: 8, arbitrary: fc.nat(4000) },
      { weight: 4, arbitrary: around(512) },
      { weight: 5, arbitrary: around(65_536) },
      { weight: 4, arbitrary: fc.integer({ min: 1, max: 6 }).map((count) => count * 65_536) },
      { weight: 3, arbitrary: fc.nat(300_000) },
      { weight: 1, arbitrary: around(1_024_000, 2_048_000) },
      { weight: 1, arbitrary: fc.oneof(around(4_096_000), fc.nat(5 << 20)) },
    )
    .map((size) => Math.min(size, maxFileBytes));
}

/** mtimes from 1970 to past 2100, most of them ordinary. */
export function mtimeArbitrary(): fc.Arbitrary<number> {
  return fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 1_400_000_000, max: 1_700_000_000 }) },
    { weight: 1, arbitrary: fc.constantFrom(0, 1, 315_532_800, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 4_102_444_800) },
  );
}

export const FILE_MODES = [0o644, 0o600, 0o755, 0o444, 0o4755, 0o2755, 0o6711, 0o1777, 0o777] as const;
export const DIRECTORY_MODES = [0o755, 0o700, 0o1777, 0o2775, 0o750, 0o555] as const;

/** Modes of an entry that isn't a link; 0000 only where nobody is kept out by it. */
export function modeArbitrary(modes: readonly number[], { asRoot = isRoot() }: TreeOptions = {}): fc.Arbitrary<number> {
  return fc.constantFrom(...modes, ...(asRoot ? [0, 0o4000] : []));
}

/** Owners whose numbers fit the tar field and such that don't; undefined where only one can be had. */
export function ownerArbitrary({ asRoot = isRoot() }: TreeOptions = {}): fc.Arbitrary<{ uid?: number; gid?: number }> {
  if (!asRoot) return fc.constant({});
  const id = fc.constantFrom(1, 1000, 65_534, 2_097_151, 2_097_152, 4_000_000_000);
  return fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: fc.record({ uid: id, gid: id }) });
}

function attributesArbitrary(modes: readonly number[], options: TreeOptions): fc.Arbitrary<Attributes> {
  return fc
    .tuple(modeArbitrary(modes, options), mtimeArbitrary(), ownerArbitrary(options))
    .map(([mode, mtime, owner]) => ({ mode, mtime, ...owner }));
}

function directoryArbitrary(options: TreeOptions): fc.Arbitrary<TreeNode> {
  const attributes = attributesArbitrary(DIRECTORY_MODES, options);
  return attributes.map((attributes): TreeNode => ({ type: 'directory', ...attributes }));
}

function linkArbitrary(options: TreeOptions): fc.Arbitrary<TreeNode> {
  const target = fc.oneof(
    pathArbitrary(),
    fc.constantFrom('.', '..', '/', '/nowhere', '../a', 'a/', fromText('zo\u00eb'), '\xff', 'l'.repeat(101)),
  );
  return fc
    .tuple(target, mtimeArbitrary(), ownerArbitrary(options))
    .map(([target, mtime, owner]): TreeNode => ({ type: 'symlink', target, mode: 0o777, mtime, ...owner }));
}

function deviceArbitrary(options: TreeOptions): fc.Arbitrary<TreeNode> {
  const type = fc.constantFrom('char' as const, 'block' as const);
  return fc
    .tuple(
      type,
      fc.constantFrom(1, 7, 255, 4095),
      fc.constantFrom(0, 3, 255, 256),
      attributesArbitrary(FILE_MODES, options),
    )
    .map(([type, major, minor, attributes]): TreeNode => ({ type, major, minor, ...attributes }));
}

/** Few names, so that trees get deep and entries replace one another; `a.b` sorts between `a` and `a/b` in bytes. */
const NEIGHBOURS = ['a', 'b', 'A', 'a.b', 'a-b', 'a b', 'a0', 'ab', 'a\x01', 'a\xff'] as const;

const NASTY = [
  ' ',
  ' leading',
  'trailing ',
  'new\nline',
  'ends in newline\n',
  'carriage\r',
  'tab\there',
  'back\\slash',
  '\\x20',
  '"quoted"',
  "it's",
  '-rf',
  '...',
  '.hidden',
  '~',
  '$HOME',
  '*',
  '?',
  '[a-b]',
  '%41',
  '#',
  '\x7f',
  '\x1b[31m',
  fromText('zo\u00eb'),
  fromText('zoe\u0308'),
  fromText('\u65e5\u672c'),
  fromText('\u{1f600}'),
  'zo\xeb',
  '\xff',
  '\xfe\xff',
  '\xc3',
  '\xed\xa0\x80',
  '\xc2\xa0',
] as const;

/** Where tar's fields end (100, 155) and where the file system does (255), in ASCII and in other bytes. */
function longNameArbitrary(): fc.Arbitrary<string> {
  const length = fc.oneof(fc.constantFrom(99, 100, 101, 155, 156, 254, 255), fc.integer({ min: 100, max: 255 }));
  return fc
    .tuple(length, fc.constantFrom('n', 'long name ', fromText('\u00eb'), '\xfe'))
    .map(([length, part]) => part.repeat(length).slice(0, length));
}

function bytesOf(pattern: RegExp, minLength: number, maxLength: number): fc.Arbitrary<string> {
  const all = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).filter((char) => pattern.test(char));
  return fc
    .array(fc.constantFrom(...all), { minLength, maxLength })
    .map((chars) => chars.join(''))
    .filter((name) => name !== '.' && name !== '..');
}
