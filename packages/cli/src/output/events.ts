/** The engine's events to lines, records, JSON and progress. */

import type { Difference, EventListener, Finding, Phase, ProgressEvent, RedupEvent } from '../engine.js';
import type { FindingRecord } from '../json/findings.js';
import type { JsonRecord } from '../json/records.js';
import { CHANGE_CODE, GENERIC, INFO_CODE, WARNING_CODE } from './codes.js';
import { localTime } from './format.js';
import type { Log } from './log.js';
import type { ProgressLine } from './progress.js';
import { quoted, textOf } from './text.js';

const PHASES: Readonly<Record<Phase, string>> = {
  list: 'looking at the target',
  metadata: 'fetching metadata',
  recall: 'asking for volumes in cold storage',
  scan: 'backing up',
  signatures: 'storing signatures',
  manifest: 'storing the manifest',
  restore: 'restoring',
  verify: 'verifying',
  check: 'reading the data',
  repair: 'repairing',
};

type RecallEvent = Extract<RedupEvent, { readonly type: 'recall' }>;

const CHANGE_LETTER = { new: 'A', changed: 'M', deleted: 'D' } as const;

/** duplicity's words for the types of entries. */
export const TYPE_WORDS: Readonly<Record<string, string>> = {
  file: 'reg',
  directory: 'dir',
  symlink: 'sym',
  fifo: 'fifo',
  'character-device': 'chr',
  'block-device': 'blk',
};

export interface EventOutput {
  readonly log: Log;
  /** Undefined: nobody looks. */
  readonly line: ProgressLine | undefined;
  /** `--progress`: milliseconds between two reports. */
  readonly reportEveryMs: number | undefined;
  readonly now: () => number;
  /** The source as the user spelled it, before paths in records of skipped entries. */
  readonly source?: string;
  /** The path that is restored: duplicity names what lies below it from there on. */
  readonly restored?: string;
}

export function eventListener({
  log,
  line,
  reportEveryMs,
  now,
  source = '',
  restored = '',
}: EventOutput): EventListener {
  let lastReport = now();
  let recalled = -1;
  const started = lastReport;
  const metadata = new MetadataTeller(log);
  return (event) => {
    if (log.options.json) log.json(jsonOfEvent(event));
    switch (event.type) {
      case 'progress':
        line?.update(event);
        if (reportEveryMs !== undefined && now() - lastReport >= reportEveryMs) {
          reportProgress(log, event, (now() - started) / 1000);
          lastReport = now();
        }
        return;
      case 'phase':
        line?.phase(PHASES[event.phase]);
        return;
      case 'recall':
        recalled = tellRecall(log, event, recalled);
        return;
      case 'volume':
        line?.stored(event.action === 'stored' ? event.bytes : 0);
        tellVolume(log, event);
        return;
      case 'metadata':
      case 'collection':
        metadata.tell(event);
        return;
      default:
        tell(log, event, { source, top: wantedText(restored) });
    }
  };
}

/** Only when something has changed: the waiting takes hours. @returns how many are ready, as told; -1 before anything was told */
function tellRecall(log: Log, { ready, total }: RecallEvent, told: number): number {
  if (ready === told || (told < 0 && ready === total)) return told;
  const rest =
    ready === total
      ? ''
      : '; fetching back the others takes minutes to days, and may be interrupted and taken up again';
  log.notice(`${ready} of ${total} volumes are ready to be read from cold storage${rest}`);
  return ready;
}

/** Release 0.8 and 3 alike: what is synchronised, then the last full backup. */
class MetadataTeller {
  readonly #log: Log;
  #told = false;

  constructor(log: Log) {
    this.#log = log;
  }

  tell(event: Extract<RedupEvent, { type: 'metadata' | 'collection' }>): void {
    if (event.type === 'metadata') {
      if (!this.#told) this.#log.notice('Synchronizing remote metadata to local cache...');
      this.#told = true;
      this.#log.notice(
        event.action === 'copy'
          ? `Copying ${event.name} to local cache.`
          : `Deleting local ${event.name} (not authoritative at backend).`,
      );
      return;
    }
    const { copied, lastFull } = event;
    if (copied === 0 && !this.#told) this.#log.notice('Local and Remote metadata are synchronized, no sync needed.');
    this.#log.notice(`Last full backup date: ${lastFull === undefined ? 'none' : localTime(lastFull)}`);
  }
}

function tellVolume(log: Log, event: Extract<RedupEvent, { type: 'volume' }>): void {
  const [extra, text] =
    event.action === 'stored'
      ? [`${event.sourceBytes ?? 0}`, `Processed volume ${event.number}`]
      : [`${event.done} ${event.total}`, `Processed volume ${event.done} of ${event.total}`];
  if (event.action !== 'fetched') log.message({ level: 'info', code: INFO_CODE.progress, extra, lines: [text] });
}

type Told = Exclude<RedupEvent, { type: 'progress' | 'phase' | 'volume' | 'recall' | 'metadata' | 'collection' }>;

/** @param start of the chain, as archives write times */
function tellOldestChain(log: Log, start: string): void {
  const iso = start.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5');
  const text = `No signature chain for the requested time. Using oldest available chain, starting at time ${localTime(Date.parse(iso) / 1000)}.`;
  log.message({ level: 'warning', code: WARNING_CODE.TIME_BEFORE_FIRST, extra: start, lines: [text] });
}

function wantedText(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  return parts.map((part) => `${part}/`).join('');
}

function tell(log: Log, event: Told, { source, top }: { readonly source: string; readonly top: string }): void {
  switch (event.type) {
    case 'warning': {
      if (event.code === 'TIME_BEFORE_FIRST' && event.object !== undefined) {
        tellOldestChain(log, event.object);
        return;
      }
      const code = WARNING_CODE[event.code];
      // duplicity does not call a socket a problem, and names it as it lies on the disk.
      const isSocket = event.code === 'SOCKET_SKIPPED';
      const place = isSocket ? `${source.replace(/\/+$/, '')}/` : '';
      const named = event.path !== undefined && code !== GENERIC;
      const extra = named ? { extra: quoted(place + pathText(event.path)) } : {};
      // Only names of archive files stand on lines of their own: a path may hold a newline that means nothing.
      const lines = event.path === undefined ? event.message.split('\n') : [event.message];
      log.message({ level: isSocket ? 'info' : 'warning', code, ...extra, lines });
      return;
    }
    case 'notice':
      log.message({ level: event.level ?? 'notice', lines: [event.message] });
      return;
    case 'finding':
      tellFinding(log, event.finding);
      return;
    case 'file':
      if (!log.tells('info')) return;
      log.message({
        level: 'info',
        code: CHANGE_CODE[event.change],
        extra: quoted(pathText(event.path)),
        lines: [`${CHANGE_LETTER[event.change]} ${pathText(event.path)}`],
      });
      return;
    case 'restored': {
      // As in duplicity the target itself is not worth a line.
      if (!log.tells('info')) return;
      const type = TYPE_WORDS[event.kind] ?? event.kind;
      const path = textOf(event.path).slice(top.length);
      if (path === '') return;
      log.message({
        level: 'info',
        code: INFO_CODE.restored,
        extra: `${quoted(path)} ${type}`,
        lines: [`Writing ${path} of type ${type}`],
      });
      return;
    }
    case 'difference':
      log.notice(`Difference found: ${describeDifference(pathText(event.path), event.difference)}`);
  }
}

function tellFinding(log: Log, { affects, code, message, hint, times }: Finding): void {
  const [first] = times;
  const what = { restores: 'restores', 'lists-and-increments': 'lists and increments', nothing: '' }[affects];
  const since =
    first === undefined ? '' : times.length === 1 ? ` of ${localTime(first)}` : ` from ${localTime(first)} on`;
  const affected = affects === 'nothing' ? [] : [`  Affects ${what}${since}.`];
  const level = affects === 'nothing' ? 'notice' : 'warning';
  log.message({ level, code: GENERIC, lines: [`${code}: ${message}`, ...affected, `  ${hint}`] });
}

/** The root is `.`, as in duplicity. */
export function pathText(path: string): string {
  return path === '' ? '.' : textOf(path);
}

function describeDifference(path: string, difference: Difference): string {
  switch (difference.kind) {
    case 'missing':
      return `File ${path} is missing`;
    case 'new':
      return `New file ${path}`;
    case 'content':
      return `Data for file ${path} is different`;
    case 'type':
      return `File ${path} has type ${typeWord(difference.actual)}, expected ${typeWord(difference.expected)}`;
    case 'permissions':
      return `File ${path} has permissions ${difference.actual}, expected ${difference.expected}`;
    case 'link':
      return `Symlink ${path} points to ${difference.actual}, expected ${difference.expected}`;
    case 'device':
      return `Device file ${path} has numbers ${difference.actual}, expected ${difference.expected}`;
    case 'mtime':
      return `File ${path} has mtime ${localTime(difference.actual)}, expected ${localTime(difference.expected)}`;
  }
}

function typeWord(type: string): string {
  return TYPE_WORDS[type] ?? type;
}

/** `--progress`: bytes and seconds are known, the total is not before the end. */
function reportProgress(log: Log, { bytes, files }: ProgressEvent, seconds: number): void {
  const rate = seconds > 0 ? Math.round(bytes / seconds) : 0;
  log.message({
    level: 'notice',
    code: INFO_CODE.uploadProgress,
    extra: `${bytes} ${Math.round(seconds)} 0 0 ${rate} 0`,
    lines: [`${files} files, ${megabytes(bytes)} in ${Math.round(seconds)} s [${megabytes(rate)}/s]`],
  });
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)}MB`;
}

/** Paths are text; where they are not valid UTF-8, `pathBase64` has their bytes. */
export function jsonPath(path: string): JsonPath<'path'>;
export function jsonPath<const K extends string>(path: string, key: K): JsonPath<K>;
export function jsonPath(path: string, key = 'path'): Record<string, string> {
  const text = textOf(path);
  const isText = !/[\ud800-\udfff]/.test(text.replace(/[\ud800-\udbff][\udc00-\udfff]/g, ''));
  if (isText) return { [key]: text };
  const bytes = Buffer.from(path, 'latin1');
  return { [key]: bytes.toString('utf8'), [`${key}Base64`]: bytes.toString('base64') };
}

type JsonPath<K extends string> = { [P in K]: string } & { [P in `${K}Base64`]?: string };

function jsonOfEvent(event: RedupEvent): JsonRecord {
  if (event.type === 'finding') return { type: 'finding', ...jsonFinding(event.finding) };
  return 'path' in event && event.path !== undefined ? { ...event, ...jsonPath(event.path) } : { ...event };
}

/** Paths as text, where they are. */
export function jsonFinding({ path, paths, ...finding }: Finding): FindingRecord {
  const span =
    paths === undefined ? {} : { ...jsonPath(paths.first, 'firstPath'), ...jsonPath(paths.last, 'lastPath') };
  return { ...finding, ...(path === undefined ? {} : jsonPath(path)), ...span };
}
