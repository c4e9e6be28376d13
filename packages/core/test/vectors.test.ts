/**
 * The same tree stored by real duplicity and by redup: member for member, header for header, byte for byte. Only where
 * BETTER.md says so may they differ.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import {
  device,
  directory,
  duplicityHome,
  duplicityOk,
  fifo,
  file,
  fromText,
  literal,
  type Peer,
  requirePeer,
  seeded,
  sliceContent,
  symlink,
  type TreeModel,
  tree,
  updateTree,
  withTempDir,
} from '@redup/testkit';
import { describe, expect, test } from 'vitest';
import { padding, parseManifest, type TarItem, TarScanner } from '../src/archive/index.js';
import { START, World } from './world.js';

/** Blocks that are all different: where two are the same, either may be copied from. */
const noise = (seed: number, size: number) => {
  const bytes = Buffer.alloc(size);
  let state = seed;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = state >>> 16;
  }
  return literal(bytes.toString('latin1'));
};

const first = (largeBytes: number): TreeModel =>
  tree({
    a: file('a', { mode: 0o4755 }),
    'a.b': file('', { mtime: 0 }),
    'quote"d \\ and\nmore': file(seeded(1, 511)),
    [fromText('zoë/日本')]: file(seeded(2, 512)),
    'bad\xff\xfe/\xe9': file(seeded(3, 513)),
    [`${'long'.repeat(40)}/${'n'.repeat(200)}`]: file(seeded(4, 65_535), { mtime: 4_102_444_800 }),
    'multi/exact': file(seeded(5, 131_072)),
    'multi/more': file(noise(6, 131_073)),
    'multi/large': file(noise(7, largeBytes), { mtime: 2 ** 33 }),
    'owned by nobody known': file('x', { uid: 4_000_000, gid: 3_000_000 }),
    'owned by daemon': file('x', { uid: 1, gid: 1 }),
    'link to \xff': symlink('\xff'.repeat(10)),
    'long link': symlink('t'.repeat(150)),
    pipe: fifo({ mode: 0o600 }),
    tty: device('char', 4, 64),
    disk: device('block', 7, 255),
    sticky: directory({ mode: 0o1777 }),
  });

const second = (largeBytes: number): TreeModel => {
  const after = new Map(first(largeBytes));
  const large = noise(7, largeBytes);
  after.delete('multi/exact');
  after.delete('tty');
  after.set('a', file('a, changed', { mtime: 1_650_000_000 }));
  after.set('a.b', directory());
  const part = sliceContent(large, 100_000, largeBytes);
  after.set('multi/large', file([...noise(9, 150_000), ...part, ...noise(10, 10)], { mtime: 1_650_000_000 }));
  after.set('multi/more', file(noise(6, 131_073), { mtime: 1_650_000_000 }));
  after.set('new', file(seeded(10, 70_000)));
  after.set('sticky', symlink('a'));
  return new Map([...after].sort(([x], [y]) => (x.replaceAll('/', '\0') < y.replaceAll('/', '\0') ? -1 : 1)));
};

interface Member {
  readonly name: string;
  /** Header with what belongs before it, and content. */
  readonly bytes: string;
}

/** Takes a tar apart into its members, each with the very bytes that it is made of. */
function membersOf(archive: Buffer): Member[] {
  const scanner = new TarScanner();
  const found: { readonly name: string; readonly start: number }[] = [];
  let begin = 0;
  let end = archive.length;
  for (let at = 0; at < archive.length && end === archive.length; at += 512) {
    scanner.feed(archive.subarray(at, at + 512));
    for (let item: TarItem | undefined = scanner.next(); item !== undefined; item = scanner.next()) {
      if (item.kind === 'member') {
        found.push({ name: item.header.name, start: begin });
        begin = at + 512 + item.header.size + padding(item.header.size);
      } else if (item.kind === 'end') {
        end = at;
        break;
      }
    }
  }
  return found.map(({ name, start }, i) => ({
    name,
    bytes: archive.toString('latin1', start, found[i + 1]?.start ?? end),
  }));
}

/** A delta with changes in it may be cut into literals otherwise; its header must be the same but for the size. */
function comparable({ name, bytes }: Member): string {
  if (!name.startsWith('multivol_diff/')) return bytes;
  const header = bytes.startsWith('././@PaxHeader') ? bytes.slice(0, 1536) : bytes.slice(0, 512);
  const last = header.length - 512;
  return header.slice(0, last + 124) + header.slice(last + 136, last + 148) + header.slice(last + 156);
}

function expectSameMembers(mine: Buffer, theirs: Buffer): void {
  const [a, b] = [membersOf(mine), membersOf(theirs)];
  expect(a.map(({ name }) => name)).toEqual(b.map(({ name }) => name));
  expect(a.flatMap((member, i) => (comparable(member) === comparable(b[i] ?? member) ? [] : [member.name]))).toEqual(
    [],
  );
  expect(a.length).toBeGreaterThan(5);
}

async function storeTwice(
  peer: Peer,
  largeBytes: number,
  compare: (mine: World, theirs: World) => void,
): Promise<void> {
  await withTempDir('vectors', async (folder) => {
    const home = duplicityHome();
    try {
      const world = new World(folder, { mode: 'plain', extensions: false });
      const theirs = new World(folder, { mode: 'plain', target: join(folder, 'theirs') });
      for (const [set, state] of [first(largeBytes), second(largeBytes)].entries()) {
        world.write(state);
        await world.backup({ volumeBytes: 200 << 20 });
        const args = [
          '--no-compression',
          '--volsize',
          '200',
          '--allow-source-mismatch',
          world.source,
          `file://${theirs.target}`,
        ];
        await duplicityOk(peer, [set === 0 ? 'full' : 'incremental', ...args], { home, currentTime: world.now });
      }
      compare(world, theirs);
    } finally {
      home.dispose();
    }
  });
}

describe.each([
  ['duplicity-debian', 1_500_000],
  // Releases since 3.1 cut files above 256 KiB into other blocks than all before them.
  ['duplicity-current', 200_000],
] as const)('%s and redup make', (peerName, largeBytes) => {
  test('the same files of the same names, with the same members, headers, contents and manifests', async (context) => {
    const peer = requirePeer(context, peerName);
    await storeTwice(peer, largeBytes, (mine, theirs) => {
      const names = mine.stored(/duplicity/);
      expect(names).toEqual(theirs.stored(/duplicity/));
      expect(names.length).toBe(6);
      for (const name of names) {
        const [a, b] = [readFileSync(mine.place(name)), readFileSync(theirs.place(name))];
        if (/manifest/.test(name)) {
          const [x, y] = [a, b].map((bytes) => withoutHashes(bytes.toString('latin1')));
          expect(x).toBe(y);
        } else expectSameMembers(a, b);
        // Signatures end as duplicity's do, so the whole file is the same.
        if (/sigtar/.test(name)) expect(a.equals(b)).toBe(true);
      }
    });
  });
});

/** The hash is of the volume, whose closing zero blocks differ. */
function withoutHashes(manifest: string): string {
  return manifest.replace(/^( {4}Hash SHA1 ).*$/gm, '$1-').replace(/^ {4}Hash SHA256 .*\n/gm, '');
}

describe.each(['duplicity-debian', 'duplicity-current', 'duplicity-2', 'duplicity-1'] as const)(
  'what %s writes',
  (peerName) => {
    test('is read: every volume’s span is what its manifest says', async (context) => {
      const peer = requirePeer(context, peerName);
      await withTempDir('vectors', async (folder) => {
        const home = duplicityHome();
        try {
          const world = new World(folder, { mode: 'gzip' });
          const large = Object.fromEntries(
            Array.from({ length: 3 }, (_, i) => [`noise ${i}`, file(seeded(40 + i, 2_500_000))]),
          );
          world.write(tree({ ...Object.fromEntries(first(250_000)), ...large }));
          await duplicityOk(peer, ['full', '--volsize', '1', world.source, `file://${world.target}`], {
            home,
            currentTime: START,
          });
          const manifest = parseManifest(readFileSync(world.place(world.stored(/manifest/)[0] ?? ''), 'latin1'), {
            files: 'keep',
          });
          expect(manifest.sourceDirectory).toBe(world.source);
          const volumes = world.stored(/difftar/);
          expect(manifest.volumes.size).toBe(volumes.length);
          expect(volumes.length).toBeGreaterThan(1);
          for (const [i, name] of volumes.entries()) {
            const members = membersOf(gunzipSync(readFileSync(world.place(name)))).map((m) => m.name);
            const info = manifest.volumes.get(i + 1);
            const chunkOf = (member = '') => /^multivol_\w+\/(.*)\/(\d+)$/s.exec(member);
            const [start, end] = [chunkOf(members[0]), chunkOf(members.at(-1))];
            if (start !== null) expect(info?.start.path).toBe(start[1]);
            if (end !== null && info?.end.chunk !== undefined)
              expect([info.end.path, info.end.chunk]).toEqual([end[1], Number(end[2])]);
          }
          expect(manifest.files?.every(({ action }) => action === 'new')).toBe(true);
          world.now = START + 10_000;
          await world.expectRestores();
        } finally {
          home.dispose();
        }
      });
    });
  },
);

test('with extensions the difference is PAX records of signatures and lines of hashes and sizes alone', async () => {
  await withTempDir('vectors', async (folder) => {
    const source = join(folder, 'source');
    const worlds = [true, false].map(
      (extensions) => new World(join(folder, extensions ? 'with' : 'without'), { mode: 'plain', extensions }),
    );
    const states = [first(200_000), second(200_000)];
    for (const [i, state] of states.entries()) {
      updateTree(source, states[i - 1] ?? new Map(), state);
      for (const world of worlds) await world.backup({ source });
    }
    const [mine, bare] = worlds;
    if (mine === undefined || bare === undefined) throw new Error('two worlds');
    const names = bare.stored(/duplicity/);
    expect(mine.stored(/duplicity/)).toEqual(names);
    let extended = 0;
    for (const name of names) {
      const [a, b] = [readFileSync(mine.place(name)), readFileSync(bare.place(name))];
      if (name.endsWith('manifest')) {
        const plain = a.toString('latin1').replace(/^ {4}(Hash SHA256|Size) .*\n/gm, '');
        expect(plain).toBe(b.toString('latin1'));
      } else if (name.endsWith('difftar')) expect(a.equals(b)).toBe(true);
      else {
        const [with_, without] = [membersOf(a), membersOf(b)];
        expect(with_.map((member) => member.name)).toEqual(without.map((member) => member.name));
        for (const [i, member] of with_.entries()) {
          const [mineParts, otherParts] = [withoutPax(member.bytes), withoutPax(without[i]?.bytes ?? '')];
          expect(mineParts.entry).toBe(otherParts.entry);
          const added = mineParts.records.filter((record) => !otherParts.records.includes(record));
          expect(otherParts.records.filter((record) => !mineParts.records.includes(record))).toEqual([]);
          for (const record of added) expect(record).toMatch(/^REDUP\./);
          extended += added.length;
        }
      }
    }
    expect(extended).toBeGreaterThan(5);
  });
});

/** A member as header and content, and the PAX records before it without their lengths. */
function withoutPax(bytes: string): { readonly records: readonly string[]; readonly entry: string } {
  if (bytes[156] !== 'x') return { records: [], entry: bytes };
  const size = Number.parseInt(bytes.slice(124, 136), 8);
  const lines = bytes
    .slice(512, 512 + size)
    .split('\n')
    .filter(Boolean);
  const records = lines.map((line) => line.replace(/^\d+ /, ''));
  return { records, entry: bytes.slice(512 + size + padding(size)) };
}
