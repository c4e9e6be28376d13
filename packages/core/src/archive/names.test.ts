import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { askDuplicity } from '../../test/oracle.js';
import { type ArchiveName, formatName, type NamePrefixes, parseName, type SetSpan, setKey } from './names.js';
import { asTime } from './times.js';

const FULL: SetSpan = { type: 'full', time: asTime(1_700_000_000) };
const INC: SetSpan = { type: 'inc', start: asTime(1_700_000_000), time: asTime(1_700_000_100) };
const BASE: ArchiveName = { kind: 'volume', span: FULL, volume: 1, encoding: 'gzip', partial: false };

const times = fc.integer({ min: 1, max: Date.UTC(2099, 11, 31) / 1000 }).map(asTime);
const spans: fc.Arbitrary<SetSpan> = fc.oneof(
  times.map((time): SetSpan => ({ type: 'full', time })),
  fc.tuple(times, times).map(([start, time]): SetSpan => ({ type: 'inc', start, time })),
);
const names: fc.Arbitrary<ArchiveName> = fc
  .record({
    kind: fc.constantFrom('volume' as const, 'manifest' as const, 'signatures' as const, 'statistics' as const),
    span: spans,
    volume: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    encoding: fc.constantFrom('plain' as const, 'gzip' as const, 'openpgp' as const),
    partial: fc.boolean(),
  })
  .map((name) => (name.kind === 'volume' ? { ...name, partial: false } : { ...name, volume: 0 }));
const text = fc.stringMatching(/^[ -.0-~\x80-\xff]{0,8}$/);
const prefixes: fc.Arbitrary<NamePrefixes> = fc.record(
  { all: text, archive: text, manifest: text, signature: text, statistics: text },
  { requiredKeys: [] },
);

describe('names', () => {
  test('are written as duplicity writes them', () => {
    const all = (span: SetSpan) =>
      (['volume', 'manifest', 'signatures', 'statistics'] as const).map((kind) =>
        formatName({ ...BASE, kind, span, volume: kind === 'volume' ? 12 : 0, encoding: 'openpgp' }),
      );
    expect(all(FULL)).toEqual([
      'duplicity-full.20231114T221320Z.vol12.difftar.gpg',
      'duplicity-full.20231114T221320Z.manifest.gpg',
      'duplicity-full-signatures.20231114T221320Z.sigtar.gpg',
      'duplicity-full.20231114T221320Z.jsonstat.gpg',
    ]);
    expect(all(INC)).toEqual([
      'duplicity-inc.20231114T221320Z.to.20231114T221500Z.vol12.difftar.gpg',
      'duplicity-inc.20231114T221320Z.to.20231114T221500Z.manifest.gpg',
      'duplicity-new-signatures.20231114T221320Z.to.20231114T221500Z.sigtar.gpg',
      'duplicity-inc.20231114T221320Z.to.20231114T221500Z.jsonstat.gpg',
    ]);
    const partial = { ...BASE, kind: 'signatures', volume: 0, encoding: 'plain', partial: true } as const;
    expect(formatName(partial)).toBe('duplicity-full-signatures.20231114T221320Z.sigtar.part');
  });

  test('come back as what they were, with any prefixes', () => {
    fc.assert(
      fc.property(names, prefixes, (name, prefix) => {
        const formatted = formatName(name, prefix);
        const parsed = parseName(formatted, prefix);
        // A statistics prefix may make a name that another kind's empty prefix also fits; the kind word tells them apart.
        expect(parsed).toEqual(name);
      }),
    );
  });

  test('need the prefix of their own kind, as literal text', () => {
    const prefix = { all: 'p.', archive: 'A' };
    const volume = formatName(BASE, prefix);
    expect(volume).toBe('p.Aduplicity-full.20231114T221320Z.vol1.difftar.gz');
    expect(parseName(volume, prefix)).toEqual(BASE);
    expect(parseName(volume.replace('p.', 'px'), prefix)).toBeUndefined();
    expect(parseName(volume, { all: 'p.' })).toBeUndefined();
    expect(parseName(volume, {})).toBeUndefined();
    expect(parseName(formatName(BASE), prefix)).toBeUndefined();
    expect(parseName(volume, { all: 'p.', archive: '.*' })).toBeUndefined();
  });

  test('are told apart by set', () => {
    fc.assert(
      fc.property(spans, spans, (a, b) => {
        expect(setKey(a) === setKey(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
  });
});

describe('names of old archives', () => {
  test('short ones are read, their numbers in base 36', () => {
    const time = (1_700_000_000).toString(36);
    const later = (1_700_000_100).toString(36);
    expect(parseName(`df.${time}.1c.dt.z`)).toEqual({ ...BASE, volume: 48 });
    expect(parseName(`di.${time}.${later}.1.dt.g`)).toEqual({ ...BASE, span: INC, encoding: 'openpgp' });
    expect(parseName(`df.${time}.m`)).toEqual({ ...BASE, kind: 'manifest', volume: 0, encoding: 'plain' });
    expect(parseName(`dfs.${time}.st.z`)).toEqual({ ...BASE, kind: 'signatures', volume: 0 });
    expect(parseName(`dns.${time}.${later}.st.p`)).toEqual({
      kind: 'signatures',
      span: INC,
      volume: 0,
      encoding: 'plain',
      partial: true,
    });
  });

  test('short ones come back for every time and number', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 315_532_800, max: 4_102_444_799 }),
        fc.integer({ min: 1, max: 99_999 }),
        (seconds, n) => {
          const parsed = parseName(`df.${seconds.toString(36)}.${n.toString(36)}.dt`);
          expect(parsed).toMatchObject({ span: { type: 'full', time: seconds }, volume: n, encoding: 'plain' });
        },
      ),
    );
  });

  test('the long time form is read with the separator it was written with', () => {
    const name = (sep: string) => `duplicity-full.2023-11-14T23${sep}13${sep}20+01${sep}00.vol1.difftar.gz`;
    expect(parseName(name(':'))).toEqual(BASE);
    expect(parseName(name('_'), {}, '_')).toEqual(BASE);
    expect(parseName(name('.'), {}, '.')).toEqual(BASE);
    expect(parseName(name('_'))).toBeUndefined();
    expect(parseName(name(':'), {}, '_')).toBeUndefined();
    const span = 'duplicity-inc.2023-11-14T23:13:20+01:00.to.2023-11-14T22:15:00Z.manifest';
    expect(parseName(span)).toEqual({ ...BASE, kind: 'manifest', span: INC, volume: 0, encoding: 'plain' });
  });

  test('leading zeros of a volume number say nothing, and `.part` says nothing of a volume', () => {
    expect(parseName('duplicity-full.20231114T221320Z.vol0001.difftar.gz')).toEqual(BASE);
    expect(parseName('duplicity-full.20231114T221320Z.vol1.difftar.part.gz')).toEqual(BASE);
  });
});

const VOLUME = 'duplicity-full.20231114T221320Z.vol1.difftar';

describe('what is no archive’s name', () => {
  test.each([
    `${VOLUME}.gz.par2`,
    `${VOLUME}.gpg.vol000+01.par2`,
    `${VOLUME}.gpg.sig`,
    `${VOLUME}.gz.gz`,
    `${VOLUME}.gz~`,
    `${VOLUME}gz`,
    `${VOLUME}.GZ`,
    `${VOLUME}.gz\n`,
    `x${VOLUME}.gz`,
    `.${VOLUME}.gz`,
    'duplicity-full.20231114T221320Z.manifest.sig',
    'duplicity-full.20231114T221320Z.manifest.gpg.asc',
    'duplicity-full.20231114T221320Z.manifests',
    'duplicity-full.20231114T221320Z.vol0.difftar.gz',
    'duplicity-full.20231114T221320Z.vol-1.difftar.gz',
    'duplicity-full.20231114T221320Z.vol1e3.difftar.gz',
    'duplicity-full.20231114T221320Z.vol99999999999999999999.difftar.gz',
    'duplicity-full.20231114T221320Z.vol.difftar.gz',
    'duplicity-full.12345.manifest',
    'duplicity-full.2023-11-14.manifest',
    'duplicity-full.3D.manifest',
    'duplicity-inc.20231114T221320Z.manifest',
    'duplicity-inc.20231114T221320Z.to.20231114T221500Z.to.20231114T221500Z.manifest',
    'duplicity-full.20231114T221320Z.to.20231114T221500Z.manifest',
    'duplicity-new-signatures.20231114T221320Z.sigtar.gz',
    'duplicity-inc-signatures.20231114T221320Z.to.20231114T221500Z.sigtar.gz',
    'duplicity-FULL.20231114T221320Z.manifest',
    'df.m.m',
    'df.zzzzzzzzz.m',
    'df.toyzd9.0.dt',
    'di.toyzd9.1.dt',
    'README',
    '',
  ])('%j', (name) => {
    expect(parseName(name)).toBeUndefined();
  });

  test('whatever a listing says, reading a name ends with a name that can be written again, or with none', () => {
    const soup = fc
      .array(
        fc.constantFrom(
          'duplicity-full',
          'duplicity-inc',
          'df',
          'di',
          'dfs',
          'dns',
          '.',
          '.to.',
          '20231114T221320Z',
          'vol1',
          'difftar',
          'dt',
          'st',
          'm',
          'zzzzzzzzz',
          'toyzd9',
          '.gz',
          '.gpg',
          '.part',
          'manifest',
          'sigtar',
          '\xff',
          '1',
          '99999999999',
        ),
        { maxLength: 8 },
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(soup, (name) => {
        const parsed = parseName(name);
        if (parsed === undefined) return;
        expect(parseName(formatName(parsed))).toEqual(parsed);
      }),
      { numRuns: 2000 },
    );
  });
});

test('Debian’s duplicity reads every name that redup writes as the same thing', async (context) => {
  const written = fc.sample(names, { numRuns: 300, seed: 7 }).filter(({ kind }) => kind !== 'statistics');
  const answers = await askDuplicity(
    context,
    written.map((name) => ({ ask: 'name', text: formatName(name) })),
  );
  const expected = written.map(({ kind, span, volume, encoding }) => {
    const type = kind === 'signatures' ? (span.type === 'full' ? 'full-sig' : 'new-sig') : span.type;
    const [start, end] = span.type === 'full' ? [span.time, null] : [span.start, span.time];
    const flags = [kind === 'manifest', encoding === 'openpgp', encoding === 'gzip'];
    return [type, kind === 'volume' ? volume : null, start, end, ...flags];
  });
  expect(answers).toEqual(expected);
});
