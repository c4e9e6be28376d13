import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runOk, withTempDir } from '@redup/testkit';
import fc from 'fast-check';
import { extract } from 'tar-stream';
import { describe, expect, test } from 'vitest';
import { isUtf8 } from './bytes.js';
import { type EntryType, HeaderEncoder, padding, type TarHeader, type TarItem, TarScanner } from './index.js';

interface Member {
  readonly header: TarHeader;
  readonly content: Buffer;
}

const EMPTY: TarHeader = {
  name: 'f',
  type: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  userName: '',
  groupName: '',
  size: 0,
  mtime: 0,
  linkName: '',
  deviceMajor: 0,
  deviceMinor: 0,
};

const chars = (min: number, max: number) => fc.integer({ min, max }).map((code) => String.fromCharCode(code));
const bytes = (minLength: number, maxLength: number) =>
  fc.oneof(
    fc.string({ unit: chars(1, 255), minLength, maxLength }),
    fc.string({ unit: chars(33, 126), minLength, maxLength }),
    fc
      .string({ unit: 'grapheme', minLength, maxLength: Math.ceil(maxLength / 4) })
      .map((text) => Buffer.from(text.replaceAll('\0', ''), 'utf8').toString('latin1') || 'x'),
  );
const lengths = fc.constantFrom(99, 100, 101, 155, 156, 255, 256, 4000);
const names = fc.oneof(
  { weight: 4, arbitrary: bytes(1, 40) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(lengths, fc.constantFrom('n', 'ab/', '\xfe', '\xc3\xab'))
      .map(([n, s]) => s.repeat(n).slice(0, n)),
  },
);
const owners = fc.oneof(
  bytes(0, 8),
  lengths.map((n) => 'u'.repeat(n)),
  fc.constantFrom('u'.repeat(32), 'u'.repeat(33)),
);
const ids = fc.oneof(fc.integer({ min: 0, max: 70_000 }), fc.constantFrom(2_097_151, 2_097_152, 4_294_967_294));
const mtimes = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 31 }),
  fc.constantFrom(-1, -86_400, 2 ** 33 - 1, 2 ** 33, 2 ** 40),
);
const types = fc.constantFrom<EntryType>('file', 'directory', 'symlink', 'fifo', 'character-device', 'block-device');
const facts = fc.option(
  fc.tuple(bytes(1, 30), fc.integer({ min: 1, max: 120 })).map(
    ([a, n]) =>
      new Map([
        ['REDUP.a', a],
        ['REDUP.b', '9'.repeat(n)],
      ]),
  ),
  { freq: 5 },
);

const headers: fc.Arbitrary<TarHeader> = fc
  .record({
    name: names,
    type: types,
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: ids,
    gid: ids,
    userName: owners,
    groupName: owners,
    mtime: mtimes,
    linkName: names,
    devices: fc.tuple(fc.integer({ min: 0, max: 4095 }), fc.integer({ min: 0, max: 1_048_575 })),
    records: facts,
  })
  .map(({ devices, linkName, records, ...rest }) => {
    const isDevice = rest.type === 'character-device' || rest.type === 'block-device';
    return {
      ...EMPTY,
      ...rest,
      linkName: rest.type === 'symlink' ? linkName : '',
      deviceMajor: isDevice ? devices[0] : 0,
      deviceMinor: isDevice ? devices[1] : 0,
      ...(records === null ? {} : { records }),
    };
  });

const members: fc.Arbitrary<Member> = fc
  .tuple(headers, fc.oneof(fc.nat(40), fc.constantFrom(511, 512, 513, 3000)))
  .map(([header, size]) => {
    const content = Buffer.alloc(header.type === 'file' ? size : 0, 'content ');
    return { header: { ...header, size: content.length }, content };
  });

function encode(list: readonly Member[], end = true): Buffer {
  const encoder = new HeaderEncoder();
  const parts = list.flatMap(({ header, content }) => [
    Buffer.from(encoder.encode(header)),
    content,
    Buffer.alloc(padding(content.length)),
  ]);
  return Buffer.concat(end ? [...parts, Buffer.alloc(1024)] : parts);
}

/** Reads an archive that arrives in pieces of the given lengths. */
function scan(archive: Buffer, pieces: Iterator<number>): Member[] {
  const scanner = new TarScanner();
  const found: { header: TarHeader; content: Buffer[] }[] = [];
  for (let at = 0; at < archive.length; ) {
    const length = pieces.next().value ?? archive.length;
    scanner.feed(archive.subarray(at, at + length));
    at += length;
    for (let item: TarItem | undefined = scanner.next(); item !== undefined; item = scanner.next()) {
      if (item.kind === 'end') break;
      if (item.kind === 'member') found.push({ header: item.header, content: [] });
      else found.at(-1)?.content.push(Buffer.from(item.bytes));
    }
  }
  scanner.finish();
  return found.map(({ header, content }) => ({ header, content: Buffer.concat(content) }));
}

const wholeAtOnce = (): Iterator<number> => [][Symbol.iterator]();
const scanOne = (archive: Buffer): Member[] => scan(archive, wholeAtOnce());

/** Records that say nothing new are not told apart from none. */
function normal({ header, content }: Member): Member {
  const { records, ...rest } = header;
  return { header: records === undefined || records.size === 0 ? rest : header, content };
}

describe('an archive', () => {
  test('comes back from its bytes, in whatever pieces they arrive', () => {
    const cuts = fc.infiniteStream(fc.oneof(fc.integer({ min: 1, max: 700 }), fc.constantFrom(1, 512, 10_240)));
    fc.assert(
      fc.property(fc.array(members, { maxLength: 6 }), cuts, fc.boolean(), (list, pieces, end) => {
        expect(scan(encode(list, end), pieces).map(normal)).toEqual(list.map(normal));
      }),
      { numRuns: 300 },
    );
  });

  test('is, header by header, what Python’s tar writer makes of the same entries', async () => {
    const asked = fc.sample(headers, { numRuns: 250, seed: 11 }).map(({ records: _, ...header }) => header);
    const script = `
import json, sys, tarfile
kinds = {'file': b'0', 'symlink': b'2', 'character-device': b'3', 'block-device': b'4', 'directory': b'5', 'fifo': b'6'}
text = lambda s: s.encode('latin1').decode('utf-8', 'surrogateescape')
out = []
for h in json.load(sys.stdin):
    i = tarfile.TarInfo()
    i.name, i.linkname, i.uname, i.gname = (text(h[k]) for k in ('name', 'linkName', 'userName', 'groupName'))
    i.mode, i.uid, i.gid, i.mtime, i.type = h['mode'], h['uid'], h['gid'], h['mtime'], kinds[h['type']]
    i.devmajor, i.devminor = h['deviceMajor'], h['deviceMinor']
    out.append(i.tobuf(tarfile.PAX_FORMAT, 'utf-8', 'surrogateescape').hex())
json.dump(out, sys.stdout)
`;
    // Python gives directories their slash, and only them.
    const honest = asked
      .map((header) => ({ ...header, name: header.name.replace(/\/*$/, header.type === 'directory' ? '/' : '') }))
      .filter(({ name }) => name !== '');
    const { stdout } = await runOk('/usr/bin/python3', ['-c', script], { input: JSON.stringify(honest) });
    const encoder = new HeaderEncoder();
    const mine = honest.map((header) => encoder.encode({ ...header, size: 0 }).toString('hex'));
    const theirs: unknown = JSON.parse(stdout);
    const differing = honest.flatMap(({ name, type }, i) =>
      mine[i] === (theirs as string[])[i] ? [] : [[type, name]],
    );
    expect(differing).toEqual([]);
  });

  test('is read alike by an independent reader', async () => {
    const list = fc
      .sample(members, { numRuns: 60, seed: 5 })
      .filter(
        ({ header }) =>
          isUtf8(header.name) &&
          isUtf8(header.linkName) &&
          isUtf8(header.userName) &&
          header.mtime >= 0 &&
          header.mtime < 2 ** 33,
      );
    const reader = extract();
    const text = (s: string) => Buffer.from(s, 'latin1').toString('utf8');
    const seen: unknown[] = [];
    reader.on('entry', (header, stream, next) => {
      const pieces: Buffer[] = [];
      stream.on('data', (piece: unknown) => pieces.push(Buffer.from(piece as Uint8Array)));
      stream.on('end', () => {
        const { name, mode, uid, gid, type, linkname } = header;
        seen.push([name, mode, uid, gid, type, linkname ?? '', header.mtime?.getTime(), Buffer.concat(pieces).length]);
        next();
      });
    });
    const done = new Promise<void>((resolve, reject) => {
      reader.on('finish', () => resolve());
      reader.on('error', reject);
    });
    reader.end(encode(list));
    await done;
    const expected = list.map(({ header: h, content }) => {
      // That reader takes no owner and no time from pax records.
      const [uid, gid] = [h.uid, h.gid].map((id) => (id > 0o7777777 ? 0 : id));
      return [text(h.name), h.mode, uid, gid, h.type, text(h.linkName), h.mtime * 1000, content.length];
    });
    expect(seen).toEqual(expected);
  });

  test('is listed alike by GNU tar, byte for byte', async () => {
    const list = fc
      .sample(members, { numRuns: 80, seed: 6 })
      .filter(({ header }) => header.type === 'file' && header.mtime >= 0 && !header.name.endsWith('/'));
    await withTempDir('tar', async (folder) => {
      writeFileSync(join(folder, 'a.tar'), encode(list));
      const { stdoutBytes } = await runOk('tar', [
        '--null',
        '-tf',
        join(folder, 'a.tar'),
        '--quoting-style=literal',
        '-P',
      ]);
      expect(stdoutBytes.toString('latin1')).toBe(list.map(({ header }) => `${header.name}\n`).join(''));
    });
  });
});

describe('reading what others wrote', () => {
  const LONG = `${'d'.repeat(90)}/${'e'.repeat(90)}`;

  test.each(['gnu', 'posix', 'ustar', 'v7', 'oldgnu'])('GNU tar’s format %s', async (format) => {
    await withTempDir('tar', async (folder) => {
      const long = format === 'v7' ? 'short' : LONG;
      const script = `set -e; mkdir -p src && cd src && mkdir -p "$(dirname ${long})" && printf hello > ${long} && touch -d @1600000000 ${long} && ln -s target link && mkfifo pipe && mkdir dir && tar --format=${format} --sort=name -cf ../a.tar .`;
      spawnSync('bash', ['-c', script], { cwd: folder });
      const found = scanOne(readFileSync(join(folder, 'a.tar')));
      const byName = new Map(
        found.map(({ header, content }) => [header.name, { ...header, content: content.toString() }]),
      );
      expect(byName.get(`./${long}`)).toMatchObject({ type: 'file', content: 'hello', mtime: 1_600_000_000 });
      expect(byName.get('./link')).toMatchObject({ type: 'symlink', linkName: 'target', size: 0 });
      expect(byName.get('./dir/')).toMatchObject({ type: 'directory' });
      if (format !== 'v7') expect(byName.get('./pipe')).toMatchObject({ type: 'fifo' });
    });
  });

  test('base-256 numbers and long link targets of GNU tar', async () => {
    const script = `
import io, sys, tarfile
t = tarfile.open(fileobj=sys.stdout.buffer, mode='w|', format=tarfile.GNU_FORMAT)
i = tarfile.TarInfo('n' * 300); i.uid = 4000000000; i.mtime = 2**35; i.type = tarfile.SYMTYPE; i.linkname = 'l' * 300
t.addfile(i)
i = tarfile.TarInfo('before'); i.mtime = -86400; i.size = 3
t.addfile(i, io.BytesIO(b'abc'))
t.close()
`;
    const { stdoutBytes } = await runOk('/usr/bin/python3', ['-c', script]);
    const found = scanOne(stdoutBytes);
    expect(found[0]?.header).toMatchObject({
      name: 'n'.repeat(300),
      linkName: 'l'.repeat(300),
      uid: 4e9,
      mtime: 2 ** 35,
    });
    expect(found[1]?.header).toMatchObject({ name: 'before', mtime: -86_400, size: 3 });
  });

  test('Python’s own archives, names in other bytes than UTF-8 included', async () => {
    const script = `
import io, sys, tarfile
t = tarfile.open(fileobj=sys.stdout.buffer, mode='w|', format=tarfile.PAX_FORMAT, encoding='utf-8', errors='surrogateescape')
for n in ['plain', 'zo\\u00eb', 'bad\\udcff' , 'x' * 150 + '\\udcfe']:
    i = tarfile.TarInfo(n); i.size = 2; i.uname = 'us\\u00ebr'; i.mtime = 1.5
    t.addfile(i, io.BytesIO(b'ok'))
t.close()
`;
    const { stdoutBytes } = await runOk('/usr/bin/python3', ['-c', script], {
      env: { LC_ALL: 'C.UTF-8', PATH: '/usr/bin' },
    });
    expect(
      scanOne(stdoutBytes).map(({ header, content }) => [
        header.name,
        header.userName,
        header.mtime,
        content.toString(),
      ]),
    ).toEqual(
      ['plain', 'zo\xc3\xab', 'bad\xff', `${'x'.repeat(150)}\xfe`].map((name) => [name, 'us\xc3\xabr', 1, 'ok']),
    );
  });

  test('global pax records hold for every entry after them, the entry’s own go before', async () => {
    const script = `
import sys, tarfile
t = tarfile.open(fileobj=sys.stdout.buffer, mode='w|', format=tarfile.PAX_FORMAT, pax_headers={'uname': 'everyone'})
for n in ['a', 'b']:
    i = tarfile.TarInfo(n)
    if n == 'b': i.pax_headers = {'uname': 'me'}
    t.addfile(i)
t.close()
`;
    const { stdoutBytes } = await runOk('/usr/bin/python3', ['-c', script]);
    expect(scanOne(stdoutBytes).map(({ header }) => header.userName)).toEqual(['everyone', 'me']);
  });

  test('everything after the first zero block is ignored: duplicity pads with rubbish', () => {
    const archive = encode([{ header: EMPTY, content: Buffer.alloc(0) }], false);
    const rubbish = Buffer.alloc(2000, 0xa5);
    expect(scanOne(Buffer.concat([archive, Buffer.alloc(512), rubbish])).length).toBe(1);
    expect(scanOne(Buffer.alloc(0))).toEqual([]);
    expect(scanOne(archive).length).toBe(1);
  });
});

/** One header block with some of its bytes replaced and its checksum right again. */
function forged(header: Partial<TarHeader>, changes: Readonly<Record<number, string>>): Buffer {
  const block = Buffer.from(new HeaderEncoder().encode({ ...EMPTY, ...header }));
  for (const [at, text] of Object.entries(changes)) block.write(text, Number(at), 'latin1');
  const base = block.length - 512;
  block.fill(0x20, base + 148, base + 156);
  const sum = block.subarray(base).reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, base + 148, 'latin1');
  return block;
}

/** A pax header with a body written by hand. */
function pax(body: string, flag = 'x'): Buffer {
  return Buffer.concat([
    forged({ name: '././@PaxHeader', size: body.length }, { 156: flag }),
    Buffer.from(body, 'latin1'),
    Buffer.alloc(padding(body.length)),
  ]);
}

const record = (key: string, value: string): string => {
  let length = key.length + value.length + 3;
  while (`${length} ${key}=${value}\n`.length !== length) length++;
  return `${length} ${key}=${value}\n`;
};

describe('refused is', () => {
  const after = forged({}, {});
  test.each([
    ['a wrong checksum', Buffer.from(after).fill('7', 150, 151)],
    ['a block that is no header', Buffer.alloc(512, 'x')],
    ['a hard link', forged({}, { 156: '1' })],
    ['a sparse file', forged({}, { 156: 'S' })],
    ['a volume label', forged({}, { 156: 'V' })],
    ['a size that is no number', forged({}, { 124: '99999999999' })],
    ['a negative size', forged({}, { 124: '\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff' })],
    ['a size beyond 2^53', forged({}, { 124: '\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff' })],
    ['a negative owner', forged({}, { 108: '\xff\xff\xff\xff\xff\xff\xff\xff' })],
    ['an archive cut inside a header', after.subarray(0, 300)],
    ['an archive cut inside content', forged({ size: 100 }, {})],
    ['an archive cut inside a pax header', pax(record('path', 'x'.repeat(600))).subarray(0, 1024)],
    ['an archive that ends after a pax header', pax(record('path', 'x'))],
    [
      'an archive that ends after a long name',
      Buffer.concat([forged({ size: 5 }, { 156: 'L' }), Buffer.alloc(512, 'a')]),
    ],
    [
      'an archive that ends after a long link',
      Buffer.concat([forged({ size: 5 }, { 156: 'K' }), Buffer.alloc(512, 'a')]),
    ],
    ['a pax record without length', Buffer.concat([pax('path=x\n'), after])],
    ['a pax record longer than its header', Buffer.concat([pax('99 path=x\n'), after])],
    ['a pax record of length 0', Buffer.concat([pax('0 path=x\n'), after])],
    ['a pax record of negative length', Buffer.concat([pax('-9 path=x\n'), after])],
    ['a pax record without key', Buffer.concat([pax('9 path:x\n'), after])],
    ['a pax record without line end', Buffer.concat([pax('9 path=xy'), after])],
    ['a pax size that is negative', Buffer.concat([pax(record('size', '-1')), after])],
    ['a pax size that is no number', Buffer.concat([pax(record('size', '0x10')), after])],
    ['a pax size beyond 2^53', Buffer.concat([pax(record('size', '9'.repeat(20))), after])],
    ['a pax owner that is negative', Buffer.concat([pax(record('uid', '-1')), after])],
    ['a pax group that is negative', Buffer.concat([pax(record('gid', '-1')), after])],
    ['a pax mtime of letters', Buffer.concat([pax(record('mtime', 'now')), after])],
    ['a pax header of gigabytes', forged({ name: '././@PaxHeader', size: 4e9 }, { 156: 'x' })],
    ['a long name of gigabytes', forged({ size: 4e9 }, { 156: 'L' })],
  ])('%s', (_what, archive) => {
    expect(() => scanOne(archive)).toThrow(expect.objectContaining({ code: 'ARCHIVE_INVALID' }));
  });

  test('nothing but by name: altered bytes are read as something or refused, in bounded memory', () => {
    const archive = encode(fc.sample(members, { numRuns: 4, seed: 9 }));
    fc.assert(
      fc.property(
        fc.nat(archive.length - 1),
        fc.integer({ min: 0, max: 255 }),
        fc.nat(archive.length),
        (at, byte, cut) => {
          const altered = Buffer.from(archive);
          altered[at] = byte;
          for (const data of [altered, archive.subarray(0, cut)]) {
            try {
              scanOne(data);
            } catch (error) {
              expect(error).toMatchObject({ code: 'ARCHIVE_INVALID' });
            }
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});

test('a header’s buffer is used again for the next header, and long ones get their own', () => {
  const encoder = new HeaderEncoder();
  const first = Buffer.from(encoder.encode({ ...EMPTY, name: 'x'.repeat(5000) }));
  const second = encoder.encode({ ...EMPTY, name: 'y' });
  expect(scanOne(first)[0]?.header.name).toBe('x'.repeat(5000));
  expect(scanOne(Buffer.from(second))[0]?.header.name).toBe('y');
  expect(second.length).toBe(512);
});
