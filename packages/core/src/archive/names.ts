/**
 * Remote and local file names (FORMAT.md §1). Written: the long form. Read: long, short (base 36) and old-time forms.
 * Unlike duplicity, a name counts only if it is exactly one of the forms (BETTER.md): side files such as
 * `….difftar.gz.par2` are nobody's volume, and prefixes are literal text.
 */

import type { ByteString } from './bytes.js';
import { type ArchiveTime, formatTime, parseNameTime } from './times.js';

export type SetSpan =
  | { readonly type: 'full'; readonly time: ArchiveTime }
  | { readonly type: 'inc'; readonly start: ArchiveTime; readonly time: ArchiveTime };

export type ObjectKind = 'volume' | 'manifest' | 'signatures' | 'statistics';

/** How the content is stored, which the end of the name tells. */
export type Encoding = 'plain' | 'gzip' | 'openpgp';

export interface ArchiveName {
  readonly kind: ObjectKind;
  readonly span: SetSpan;
  /** Volume number from 1; 0 for other kinds. */
  readonly volume: number;
  readonly encoding: Encoding;
  /** A local file of a backup that is still running or was interrupted. */
  readonly partial: boolean;
}

/** Text put before every name, and further text per kind. */
export interface NamePrefixes {
  readonly all?: ByteString;
  readonly archive?: ByteString;
  readonly manifest?: ByteString;
  readonly signature?: ByteString;
  readonly statistics?: ByteString;
}

export function setKey(span: SetSpan): string {
  return span.type === 'full' ? `full ${span.time}` : `inc ${span.start} ${span.time}`;
}

const SUFFIX: Readonly<Record<Encoding, string>> = { plain: '', gzip: '.gz', openpgp: '.gpg' };

export function formatName(name: ArchiveName, prefixes: NamePrefixes = {}): ByteString {
  return `${prefixFor(name.kind, prefixes)}${longStem(name)}${name.partial ? '.part' : ''}${SUFFIX[name.encoding]}`;
}

function longStem({ kind, span, volume }: ArchiveName): string {
  const times = span.type === 'full' ? formatTime(span.time) : `${formatTime(span.start)}.to.${formatTime(span.time)}`;
  switch (kind) {
    case 'volume':
      return `duplicity-${span.type}.${times}.vol${volume}.difftar`;
    case 'manifest':
      return `duplicity-${span.type}.${times}.manifest`;
    case 'signatures':
      return `duplicity-${span.type === 'full' ? 'full' : 'new'}-signatures.${times}.sigtar`;
    case 'statistics':
      return `duplicity-${span.type}.${times}.jsonstat`;
  }
}

function prefixFor(kind: ObjectKind, p: NamePrefixes): string {
  const own = { volume: p.archive, manifest: p.manifest, signatures: p.signature, statistics: p.statistics }[kind];
  return (p.all ?? '') + (own ?? '');
}

const END = '(\\.part)?(\\.gz|\\.gpg)?$';
const SHORT_END = '(\\.p)?(\\.z|\\.g)?$';
interface Form {
  readonly kind: ObjectKind;
  readonly pattern: RegExp;
  readonly short: boolean;
}
const FORMS: readonly Form[] = [
  { kind: 'volume', short: false, pattern: new RegExp(`^duplicity-(full|inc)\\.(.+?)\\.vol(\\d+)\\.difftar${END}`) },
  { kind: 'manifest', short: false, pattern: new RegExp(`^duplicity-(full|inc)\\.(.+?)\\.(manifest)${END}`) },
  {
    kind: 'signatures',
    short: false,
    pattern: new RegExp(`^duplicity-(full|new)-signatures\\.(.+?)\\.(sigtar)${END}`),
  },
  { kind: 'statistics', short: false, pattern: new RegExp(`^duplicity-(full|inc)\\.(.+?)\\.(jsonstat)${END}`) },
  { kind: 'volume', short: true, pattern: new RegExp(`^d([fi])\\.([0-9a-z.]+?)\\.([0-9a-z]+)\\.dt${SHORT_END}`) },
  { kind: 'manifest', short: true, pattern: new RegExp(`^d([fi])\\.([0-9a-z.]+?)\\.(m)${SHORT_END}`) },
  { kind: 'signatures', short: true, pattern: new RegExp(`^d([fn])s\\.([0-9a-z.]+?)\\.(st)${SHORT_END}`) },
];

/**
 * What a file name says, or undefined when it isn't an archive's.
 * @param separator of the time in names written with `--old-filenames --time-separator`
 */
export function parseName(name: ByteString, prefixes: NamePrefixes = {}, separator = ':'): ArchiveName | undefined {
  for (const form of FORMS) {
    const prefix = prefixFor(form.kind, prefixes);
    if (!name.startsWith(prefix)) continue;
    const match = form.pattern.exec(prefix === '' ? name : name.slice(prefix.length));
    const parsed = match === null ? undefined : interpret(form, match, separator);
    if (parsed !== undefined) return parsed;
  }
  return undefined;
}

function interpret({ kind, short }: Form, match: RegExpExecArray, separator: string): ArchiveName | undefined {
  const [, type = '', times = '', number = '', part, suffix = ''] = match;
  const span = parseSpan(type.startsWith('f') ? 'full' : 'inc', times, short, separator);
  if (span === undefined) return undefined;
  const volume = kind !== 'volume' ? 0 : short ? parseBase36(number) : Number(number);
  if (volume === undefined || (kind === 'volume' && (volume < 1 || volume > 0x7fff_ffff))) return undefined;
  // Volumes of older releases may be called `.part`; it says nothing there.
  const partial = part !== undefined && kind !== 'volume';
  const encoding = suffix.startsWith('.gp') || suffix === '.g' ? 'openpgp' : suffix === '' ? 'plain' : 'gzip';
  return { kind, span, volume, encoding, partial };
}

function parseSpan(type: 'full' | 'inc', text: string, short: boolean, separator: string): SetSpan | undefined {
  const parse = (t: string) => (short ? parseShortTime(t) : parseNameTime(t, separator));
  if (type === 'full') {
    const time = parse(text);
    return time === undefined ? undefined : { type, time };
  }
  const [from = '', to = '', more] = text.split(short ? '.' : '.to.');
  const start = parse(from);
  const time = parse(to);
  return start === undefined || time === undefined || more !== undefined ? undefined : { type, start, time };
}

/**
 * Short names: base 36. Times before 1980 are no real archive and would make `df.m.m` one, so they don't count;
 * nor do those from 2100 on, which the long form can't say.
 */
function parseShortTime(text: string): ArchiveTime | undefined {
  const seconds = parseBase36(text);
  if (seconds === undefined || seconds < 315_532_800 || seconds >= 4_102_444_800) return undefined;
  return seconds as ArchiveTime;
}

function parseBase36(text: string): number | undefined {
  if (!/^[0-9a-z]{1,9}$/.test(text)) return undefined;
  return Number.parseInt(text, 36);
}
