import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { askDuplicity } from '../../test/oracle.js';
import { asTime, formatTime, localStandardOffset, parseInterval, parseNameTime, parseTime } from './times.js';

const NOW = 1_700_000_000;
const UTC = { now: NOW, standardOffsetSeconds: 0 };
const NEW_YORK = { now: NOW, standardOffsetSeconds: -5 * 3600 };

const archiveTimes = fc.integer({ min: Date.UTC(1901, 0, 1) / 1000, max: Date.UTC(2099, 11, 31) / 1000 });

describe('times in names', () => {
  test('come back from the compact form', () => {
    fc.assert(
      fc.property(archiveTimes, (seconds) => {
        fc.pre(seconds !== 0);
        const text = formatTime(asTime(seconds));
        expect(text).toMatch(/^\d{8}T\d{6}Z$/);
        expect(parseNameTime(text)).toBe(seconds);
      }),
    );
  });

  test('come back from the old long form with any separator and offset', () => {
    const separators = fc.constantFrom(':', '_', '.', '+', '*', '(', '\\');
    const minutes = fc.integer({ min: -14 * 60, max: 14 * 60 });
    fc.assert(
      fc.property(archiveTimes, separators, minutes, (seconds, separator, offset) => {
        fc.pre(seconds !== 0);
        const local = new Date((seconds + offset * 60) * 1000);
        fc.pre(local.getUTCFullYear() > 1900 && local.getUTCFullYear() < 2100);
        const size = Math.abs(offset);
        const two = (n: number) => String(n).padStart(2, '0');
        const zone = offset === 0 ? 'Z' : `${offset < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
        const text = `${local.toISOString().slice(0, 19)}${zone}`.replaceAll(':', separator);
        expect(parseNameTime(text, separator)).toBe(seconds);
      }),
    );
  });

  test.each([
    'Now',
    '12345',
    '3D',
    '2026-01-02',
    '20260102',
    '20260102T030405',
    '20260102T030405+0200',
    '20260102T240000Z',
    '20261302T030405Z',
    '20260132T030405Z',
    '21000101T000000Z',
    '19000101T000000Z',
    '19700101T000000Z',
    '2026-01-02T03.04.05Z',
    '',
  ])('%j is no time of a name', (text) => {
    expect(parseNameTime(text)).toBeUndefined();
  });
});

describe('times that users type', () => {
  test.each([
    ['now', NOW],
    ['0', 0],
    ['1234567890', 1_234_567_890],
    ['20260102', 20_260_102],
    ['20260102T030405Z', 1_767_323_045],
    ['20260102T030405z', 1_767_323_045],
    ['20260102T030405X', 1_767_323_045],
    ['2026-01-02T03:04:05Z', 1_767_323_045],
    ['2026-01-02T03:04:05+02:00', 1_767_315_845],
    ['2026-01-02T03:04:05-05:30', 1_767_342_845],
    ['2026-01-02T03:04:61Z', 1_767_323_101],
    ['3D2h', NOW - 3 * 86_400 - 2 * 3600],
    ['1s1m1h1D1W1M1Y', NOW - 1 - 60 - 3600 - 86_400 - 7 * 86_400 - 30 * 86_400 - 365 * 86_400],
  ])('%s is the same in every zone', (text, seconds) => {
    expect(parseTime(text, UTC)).toBe(seconds);
    expect(parseTime(text, NEW_YORK)).toBe(seconds);
  });

  test.each([
    ['2026-01-02', 1_767_312_000],
    ['2026-1-2', 1_767_312_000],
    ['2026/01/02', 1_767_312_000],
    ['01-02-2026', 1_767_312_000],
    ['1/2/2026', 1_767_312_000],
    ['20260102Z', 1_767_312_000],
    ['2026-02-31', 1_772_496_000],
    ['2026-01-02T03:04:05', 1_767_323_045],
  ])('%s is local standard time', (text, seconds) => {
    expect(parseTime(text, UTC)).toBe(seconds);
    expect(parseTime(text, NEW_YORK)).toBe(seconds + 5 * 3600);
  });

  test('a compact time without a zone is only taken where the zone is UTC', () => {
    expect(parseTime('20260102T030405', UTC)).toBe(1_767_323_045);
    expect(() => parseTime('20260102T030405', NEW_YORK)).toThrow(expect.objectContaining({ code: 'BAD_TIME' }));
  });

  test.each(
    [
      '',
      ' now',
      'Now',
      'NOW',
      'yesterday',
      '-1',
      '1.5',
      '3D 2h',
      '3d',
      'D3',
      '26-01-02',
      '2026-13-01',
      '2026-01-32',
      '2026-00-01',
      '2026-01',
      '2026-01/02',
      '2026-01-02 03:04:05',
      '2026-01-02T03:04',
      '2026-01-02T24:00:00Z',
      '2026-01-02T03:60:00Z',
      '2026-01-02T03:04:62Z',
      '2026-01-02T03:04:05.5Z',
      '2026-01-02T03:04:05+0200',
      '2026-01-02T03:04:05+02',
      '1900-12-31',
      '2100-01-01',
      '1970-01-01',
      '19700101T000000Z',
      '99999999999999999999',
    ].filter((text) => text !== '3'),
  )('%j is refused', (text) => {
    expect(() => parseTime(text, UTC)).toThrow(expect.objectContaining({ code: 'BAD_TIME', subject: text }));
  });

  test('another separator of hours and minutes replaces the colon', () => {
    expect(parseTime('2026-01-02T03_04_05+02_00', { ...UTC, separator: '_' })).toBe(1_767_315_845);
    expect(() => parseTime('2026-01-02T03:04:05Z', { ...UTC, separator: '_' })).toThrow('Bad time string');
  });

  test('an interval is only digits and units', () => {
    expect(parseInterval('2W')).toBe(14 * 86_400);
    expect(parseInterval('10')).toBeUndefined();
    expect(parseInterval('')).toBeUndefined();
  });

  test('standard time is the offset without daylight saving', () => {
    const year = new Date().getFullYear();
    const offsets = [0, 3, 6, 9].map((month) => -60 * new Date(year, month, 1).getTimezoneOffset());
    expect(localStandardOffset(year)).toBe(Math.min(...offsets) || 0);
  });
});

describe('Debian’s duplicity says the same', () => {
  const fields = {
    // Later than the zones' changes of the first half of the century, which only duplicity looks up.
    year: fc.oneof(fc.integer({ min: 1970, max: 2101 }), fc.constantFrom(1, 99, 1900, 9999)),
    month: fc.integer({ min: 0, max: 13 }),
    day: fc.integer({ min: 0, max: 32 }),
    hour: fc.integer({ min: 0, max: 25 }),
    minute: fc.integer({ min: 0, max: 61 }),
    second: fc.integer({ min: 0, max: 62 }),
    // A negative offset with minutes is left out: duplicity adds those minutes instead of taking them off.
    zone: fc.constantFrom('Z', '', '+02:00', '+05:30', '-11:00', '+0200', '+02', 'z', '+25:00', '.5Z'),
    style: fc.constantFrom('compact', 'long', 'dashes', 'slashes', 'us', 'us-slashes', 'day', 'interval'),
    padded: fc.boolean(),
  };
  const texts = fc.record(fields).map(({ year, month, day, hour, minute, second, zone, style, padded }) => {
    const two = (n: number) => (padded ? String(n).padStart(2, '0') : String(n));
    const pad = (n: number, width = 2) => String(n).padStart(width, '0');
    const date = `${pad(year, 4)}-${pad(month)}-${pad(day)}`;
    const clock = `${pad(hour)}:${pad(minute)}:${pad(second)}`;
    const forms: Record<string, string> = {
      compact: `${date}T${clock}`.replace(/[-:]/g, '') + zone.slice(0, 1),
      long: `${date}T${clock}${zone}`,
      dashes: `${year}-${two(month)}-${two(day)}`,
      slashes: `${year}/${two(month)}/${two(day)}`,
      us: `${two(month)}-${two(day)}-${year}`,
      'us-slashes': `${two(month)}/${two(day)}/${year}`,
      day: `${pad(year, 4)}${pad(month)}${pad(day)}${zone}`,
      interval: `${hour}D${minute}m${padded ? `${second}s` : ''}`,
    };
    return forms[style] ?? '';
  });

  test.for([
    ['UTC', 0],
    ['America/New_York', -5 * 3600],
    ['Asia/Kolkata', 5.5 * 3600],
  ] as const)('of times typed in the zone %s', async ([zone, standardOffsetSeconds], context) => {
    const asked = fc.sample(texts, { numRuns: 600, seed: 1 });
    const answers = await askDuplicity(
      context,
      asked.map((text) => ({ ask: 'time', text })),
      { now: NOW, zone },
    );
    const mine = asked.map((text) => {
      try {
        return parseTime(text, { now: NOW, standardOffsetSeconds });
      } catch {
        return null;
      }
    });
    const differing = asked.flatMap((text, i) => (mine[i] === answers[i] ? [] : [[text, mine[i], answers[i]]]));
    expect(differing).toEqual([]);
    expect(answers.filter((answer) => answer !== null).length).toBeGreaterThan(100);
  });
});
