/**
 * Times: the form in file names (FORMAT.md §1) and the strings that users type (§14).
 * Pure: the clock and the local zone come in as a `TimeContext`.
 */

import { RedupError } from '../errors.js';

declare const timeBrand: unique symbol;

/** Whole seconds since 1970-01-01T00:00:00Z. */
export type ArchiveTime = number & { readonly [timeBrand]: true };

/** A time as a program has it: seconds since 1970, a `Date`, or what users type (`3D`, `2026-11-17`, `now`). */
export type Moment = ArchiveTime | Date | string;

export function asTime(seconds: number): ArchiveTime {
  return Math.floor(seconds) as ArchiveTime;
}

/** What interpreting a time string depends on. */
export interface TimeContext {
  /** The current time, in seconds. */
  readonly now: number;
  /** Local standard time minus UTC in seconds, daylight saving ignored as duplicity does. */
  readonly standardOffsetSeconds: number;
  /** Separator of the old `hh:mm:ss` form; `:` by default. */
  readonly separator?: string;
}

/** The zone of this process: local standard time is the smaller offset of January and July. */
export function localStandardOffset(year: number): number {
  const january = new Date(year, 0, 1).getTimezoneOffset();
  const july = new Date(year, 6, 1).getTimezoneOffset();
  return -60 * Math.max(january, july) || 0;
}

/** `YYYYMMDDThhmmssZ`, as every name that redup writes. */
export function formatTime(time: ArchiveTime): string {
  return `${new Date(time * 1000).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`;
}

const COMPACT = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;

/** A time inside a file name: the compact UTC form, or the long form of old archives. Undefined if it is neither. */
export function parseNameTime(text: string, separator = ':'): ArchiveTime | undefined {
  const upper = text.toUpperCase();
  const compact = COMPACT.exec(upper);
  const seconds = compact !== null ? utcSeconds(compact, 0) : parseLong(upper, separator, 0);
  return seconds !== undefined && seconds !== 0 ? (seconds as ArchiveTime) : undefined;
}

const UNIT_SECONDS: Readonly<Record<string, number>> = {
  s: 1,
  m: 60,
  h: 3600,
  D: 86_400,
  W: 7 * 86_400,
  M: 30 * 86_400,
  Y: 365 * 86_400,
};

/** `3D2h` → seconds; undefined when it isn't an interval. M is 30 days, Y 365. */
export function parseInterval(text: string): number | undefined {
  if (!/^(\d+[smhDWMY])+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)([smhDWMY])/g))
    sum += Number(count) * (UNIT_SECONDS[unit ?? ''] ?? 0);
  return sum;
}

/**
 * A time as users type it: `now`, epoch seconds, an interval before now, the compact or long
 * form, or a date (local standard midnight).
 * @throws RedupError BAD_TIME
 */
export function parseTime(text: string, context: TimeContext): ArchiveTime {
  const seconds = parseTimeOrUndefined(text, context);
  if (seconds === undefined) {
    throw new RedupError('BAD_TIME', `Bad time string "${text}"`, {
      subject: text,
      hint: 'Use now, an interval like 3D2h, a date like 2026-11-23, 2026-11-23T10:00:00+01:00, or seconds since 1970.',
    });
  }
  return asTime(seconds);
}

function parseTimeOrUndefined(
  text: string,
  { now, standardOffsetSeconds, separator = ':' }: TimeContext,
): number | undefined {
  if (text === 'now') return now;
  if (/^\d+$/.test(text)) return Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
  // duplicity takes any sixteenth character for the Z, and does without one where local time is UTC.
  const compact = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(.?)$/.exec(text);
  if (compact !== null) {
    return compact[7] !== '' || standardOffsetSeconds === 0 ? utcSeconds(compact, 0) || undefined : undefined;
  }
  const long = parseLong(text, separator, standardOffsetSeconds);
  if (long !== undefined) return long || undefined;
  const interval = parseInterval(text);
  if (interval !== undefined) return now - interval;
  return parseDate(text, standardOffsetSeconds);
}

function parseLong(text: string, separator: string, offsetIfNone: number): number | undefined {
  const sep = separator.replace(/[^A-Za-z0-9]/g, '\\$&');
  const pattern = new RegExp(
    `^(\\d{4})-(\\d\\d)-(\\d\\d)T(\\d\\d)${sep}(\\d\\d)${sep}(\\d\\d)(Z|[+-]\\d\\d${sep}\\d\\d)?$`,
  );
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const zone = match[7];
  let offset = offsetIfNone;
  if (zone === 'Z') offset = 0;
  else if (zone !== undefined) {
    const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3 + separator.length));
    offset = (zone.startsWith('-') ? -60 : 60) * minutes;
  }
  return utcSeconds(match, offset);
}

function parseDate(text: string, offset: number): number | undefined {
  const yearFirst = /^(\d{4})([-/])(\d{1,2})\2(\d{1,2})$/.exec(text);
  const monthFirst = /^(\d{1,2})([-/])(\d{1,2})\2(\d{4})$/.exec(text);
  const compact = /^(\d{4})(\d\d)(\d\d)Z$/.exec(text);
  let parts: readonly (string | undefined)[];
  if (yearFirst !== null) parts = [yearFirst[1], yearFirst[3], yearFirst[4]];
  else if (monthFirst !== null) parts = [monthFirst[4], monthFirst[1], monthFirst[3]];
  else if (compact !== null) parts = [compact[1], compact[2], compact[3]];
  else return undefined;
  const seconds = utcSeconds(['', ...parts, '0', '0', '0'], offset);
  return seconds === 0 ? undefined : seconds;
}

/** Range checks as duplicity's: a day is only checked to be 1–31, so 02-31 is 3 March; seconds go up to 61. */
function utcSeconds(fields: readonly (string | undefined)[], offsetSeconds: number): number | undefined {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = fields.slice(1, 7).map(Number);
  if (year <= 1900 || year >= 2100 || month < 1 || month > 12 || day < 1 || day > 31) return undefined;
  if (hour > 23 || minute > 59 || second > 61) return undefined;
  return Date.UTC(year, month - 1, day, hour, minute, second) / 1000 - offsetSeconds;
}
