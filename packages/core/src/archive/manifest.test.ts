import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { askDuplicity } from '../../test/oracle.js';
import { asPath, type Path } from './bytes.js';
import {
  type FileAction,
  formatFile,
  formatFileCount,
  formatHeader,
  formatVolume,
  ManifestReader,
  parseManifest,
  quote,
  unquote,
  type VolumeInfo,
} from './manifest.js';

const byteString = fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 24 }).map((b) => String.fromCharCode(...b));
const component = fc
  .oneof(
    fc.array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: 20 }).map((b) => String.fromCharCode(...b)),
    fc.constantFrom(
      ' ',
      'a b',
      '"',
      "'",
      '\\',
      '\\x20',
      'end\n',
      '\r',
      '\t',
      '\v',
      '\f',
      '\x1c',
      '\xa0',
      '\xff',
      '4',
      '...',
    ),
  )
  .map((name) => name.replaceAll('/', '-'))
  .filter((name) => name !== '.' && name !== '..');
const paths: fc.Arbitrary<Path> = fc.array(component, { maxLength: 4 }).map((parts) => asPath(parts.join('/')));
const positions = fc.tuple(paths, fc.option(fc.integer({ min: 1, max: 1e9 }), { nil: undefined })).map(
  // The root is never cut into chunks unless it is a file; its name then is `.` all the same.
  ([path, chunk]) => (chunk === undefined ? { path } : { path, chunk }),
);
const hex = fc.stringMatching(/^[0-9a-f]{40}$/);
const volumeBodies = fc.record({ start: positions, end: positions, sha1: hex, sha256: fc.option(hex) });

function volumeOf(
  number: number,
  body: { start: VolumeInfo['start']; end: VolumeInfo['end']; sha1: string; sha256: string | null },
): VolumeInfo {
  const hashes = new Map([['SHA1', body.sha1]]);
  if (body.sha256 !== null) hashes.set('SHA256', body.sha256);
  return { number, start: body.start, end: body.end, hashes };
}

describe('quoting', () => {
  test('gives every byte string back, in one token without blanks', () => {
    fc.assert(
      fc.property(byteString, (bytes) => {
        const quoted = quote(bytes);
        expect(quoted).not.toMatch(/[\t\n\v\f\r ]/);
        expect(unquote(quoted)).toBe(bytes);
      }),
      { numRuns: 1000 },
    );
  });

  test('escapes nine bytes and no other', () => {
    for (let byte = 1; byte < 256; byte++) {
      const char = String.fromCharCode(byte);
      const escaped = [9, 10, 11, 12, 13, 32, 34, 39, 92].includes(byte);
      expect(quote(char)).toBe(escaped ? `"\\x${byte.toString(16).padStart(2, '0')}"` : char);
    }
  });

  test.each(['"', '"a', '"a\\"', '"\\x2"', '"\\xzz"', '"\\n"', '"\\'])('%j is no quoted name', (token) => {
    expect(() => unquote(token)).toThrow(expect.objectContaining({ code: 'MANIFEST_INVALID' }));
  });

  test('is what Debian’s duplicity makes of the same names', async (context) => {
    // An empty name stands in no manifest; duplicity can't read one.
    const asked = fc.sample(byteString, { numRuns: 300, seed: 3 }).filter((bytes) => bytes !== '');
    const quoted = await askDuplicity(
      context,
      asked.map((text) => ({ ask: 'quote', text })),
    );
    expect(asked.map((bytes) => quote(bytes))).toEqual(quoted);
    const unquoted = await askDuplicity(
      context,
      asked.map((bytes) => ({ ask: 'unquote', text: quote(bytes) })),
    );
    expect(unquoted).toEqual(asked);
  });
});

describe('a manifest', () => {
  test('is written byte for byte as FORMAT.md §2 shows it', () => {
    const volume = volumeOf(1, {
      start: { path: asPath('') },
      end: { path: asPath('big file'), chunk: 16 },
      sha1: 'a'.repeat(40),
      sha256: null,
    });
    const text =
      formatHeader({ host: 'here', sourceDirectory: '/my source' }) +
      formatVolume(volume) +
      formatFileCount(3) +
      formatFile('new', asPath('a')) +
      formatFile('changed', asPath('b c')) +
      formatFile('deleted', asPath(''));
    expect(text).toBe(
      'Hostname here\n' +
        'Localdir "/my\\x20source"\n' +
        'Volume 1:\n' +
        '    StartingPath   .  \n' +
        '    EndingPath     "big\\x20file" 16\n' +
        `    Hash SHA1 ${'a'.repeat(40)}\n` +
        'Filelist 3\n' +
        '    new      a\n' +
        '    changed  "b\\x20c"\n' +
        '    deleted  .\n',
    );
    expect(formatHeader({})).toBe('');
    expect(formatHeader({ host: '' })).toBe('');
  });

  test('comes back from its text, in whatever pieces that arrives', () => {
    const actions = fc.constantFrom<FileAction>('new', 'changed', 'deleted');
    const files = fc.array(fc.record({ action: actions, path: paths }), { maxLength: 5 });
    const directories = component.map((name) => `/${name}`);
    fc.assert(
      fc.property(
        fc.array(volumeBodies, { maxLength: 5 }),
        files,
        directories,
        fc.infiniteStream(fc.integer({ min: 1, max: 40 })),
        (bodies, listed, sourceDirectory, cuts) => {
          const volumes = bodies.map((body, i) => volumeOf(i + 1, body));
          const text =
            formatHeader({ host: 'h.example', sourceDirectory }) +
            volumes.map(formatVolume).join('') +
            formatFileCount(listed.length) +
            listed.map(({ action, path }) => formatFile(action, path)).join('');
          const reader = new ManifestReader({ files: 'keep' });
          for (let at = 0; at < text.length; ) {
            const length = cuts.next().value ?? 1;
            reader.push(text.slice(at, at + length));
            at += length;
          }
          const expected = { host: 'h.example', sourceDirectory, volumes: new Map(volumes.map((v) => [v.number, v])) };
          expect(reader.finish()).toEqual({ ...expected, files: listed });
          expect(parseManifest(text)).toEqual(expected);
        },
      ),
    );
  });
});

const VOLUME = (n: number, path = `v${n}`) =>
  `Volume ${n}:\n    StartingPath   ${path}  \n    EndingPath     ${path}  \n`;

describe('reading is liberal as duplicity’s', () => {
  const volumes = (text: string) => [...parseManifest(text).volumes.values()];

  test('field names in any case, any blanks, unknown fields, CRLF, no last line end', () => {
    const text =
      'hostname h\r\nLOCALDIR /d\r\nvolume 1:\r\n\tstartingpath a\r\nendingPATH     b   7\r\n  Colour blue\r\n Hash  SHA1   ABCDEF\r\nFileList 0';
    const manifest = parseManifest(text, { files: 'keep' });
    expect(manifest).toEqual({
      host: 'h',
      sourceDirectory: '/d',
      files: [],
      volumes: new Map([
        [1, { number: 1, start: { path: 'a' }, end: { path: 'b', chunk: 7 }, hashes: new Map([['SHA1', 'abcdef']]) }],
      ]),
    });
  });

  test('an empty manifest has no volumes', () => {
    expect(parseManifest('')).toEqual({ volumes: new Map() });
    expect(parseManifest('\n\n')).toEqual({ volumes: new Map() });
  });

  test('the first Hostname and Localdir count', () => {
    expect(parseManifest('Hostname a\nHostname b\nLocaldir /x\nLocaldir /y\n')).toMatchObject({
      host: 'a',
      sourceDirectory: '/x',
    });
  });

  test('a file list may stand before, between or after the volumes', () => {
    const list = 'Filelist 1\n    new      f\n';
    for (const text of [list + VOLUME(1) + VOLUME(2), VOLUME(1) + list + VOLUME(2), VOLUME(1) + VOLUME(2) + list]) {
      expect(volumes(text).map(({ number }) => number)).toEqual([1, 2]);
      expect(parseManifest(text, { files: 'keep' }).files).toEqual([{ action: 'new', path: 'f' }]);
    }
  });

  test('a listed file called Volume is no volume', () => {
    const text = `${VOLUME(1)}Filelist 1\n    new      Volume\n    Volume 7:\n`;
    expect(volumes(text).map(({ number }) => number)).toEqual([1]);
  });

  test('any hash is kept under its own name, and a volume may have none', () => {
    expect(volumes(VOLUME(1))[0]?.hashes.size).toBe(0);
    const text = `${VOLUME(1)}    Hash sha1 00\n    Hash BLAKE3 11\n`;
    expect([...(volumes(text)[0]?.hashes ?? [])]).toEqual([
      ['sha1', '00'],
      ['BLAKE3', '11'],
    ]);
  });
});

describe('a restarted backup', () => {
  test.each([
    [
      [1, 2, 3],
      [1, 2, 3],
    ],
    [
      [1, 2, 3, 2],
      [1, 2],
    ],
    [
      [1, 2, 3, 2, 3],
      [1, 2, 3],
    ],
    [
      [1, 2, 3, 2, 3, 4],
      [1, 2, 3, 4],
    ],
    [[1, 1], [1]],
    [
      [2, 4],
      [2, 4],
    ],
    [[1, 2, 3, 4, 1], [1]],
  ])('that wrote the volumes %j has %j, the later ones counting', (written, expected) => {
    const text = written.map((n, i) => VOLUME(n, `p${i}`)).join('');
    const { volumes } = parseManifest(text);
    expect([...volumes.keys()]).toEqual(expected);
    for (const n of expected) expect(volumes.get(n)?.start.path).toBe(`p${written.lastIndexOf(n)}`);
  });
});

describe('a damaged manifest is refused', () => {
  test.each([
    ['a volume without its ending', 'Volume 1:\n    StartingPath   a  \n'],
    ['a volume without its start', 'Volume 1:\n    EndingPath   a  \n'],
    ['the number 0', VOLUME(0)],
    ['a negative number', VOLUME(-1)],
    ['a number with a fraction', VOLUME(1.5)],
    ['a huge number', VOLUME(1e20)],
    ['a hexadecimal number', VOLUME(1).replace('1:', '0x1:')],
    ['no number', 'Volume x:\n'],
    ['no number at all', 'Volume \n'],
    ['a name that does not end', VOLUME(1, '"abc')],
    ['an unknown escape', VOLUME(1, '"a\\nb"')],
    ['a negative block', 'Volume 1:\n StartingPath a -1\n EndingPath a\n'],
    ['a block that is no number', 'Volume 1:\n StartingPath a x\n EndingPath a\n'],
    ['a huge block', 'Volume 1:\n StartingPath a 99999999999999999999\n EndingPath a\n'],
    ['a source that does not end', 'Localdir "/x\n'],
    ['a line without end', `Localdir /${'x'.repeat(2 << 20)}`],
  ])('%s', (_what, text) => {
    expect(() => parseManifest(text)).toThrow(
      expect.objectContaining({ code: 'MANIFEST_INVALID', hint: expect.any(String) }),
    );
  });

  test('whatever was cut off or altered: it is read, or refused by name, and nothing else happens', () => {
    const whole = `${formatHeader({ host: 'h', sourceDirectory: '/a b' })}${VOLUME(1)}    Hash SHA1 ${'0'.repeat(40)}\n${VOLUME(2, '"q\\x20"')}Filelist 1\n    new      f\n`;
    fc.assert(
      fc.property(fc.nat(whole.length), fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }), (cut, at, byte) => {
        for (const text of [
          whole.slice(0, cut),
          whole.slice(0, at) + String.fromCharCode(byte) + whole.slice(at + 1),
        ]) {
          try {
            for (const [number, volume] of parseManifest(text, { files: 'keep' }).volumes)
              expect(volume.number).toBe(number);
          } catch (error) {
            expect(error).toMatchObject({ code: 'MANIFEST_INVALID' });
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});
