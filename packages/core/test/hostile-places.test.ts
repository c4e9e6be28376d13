/**
 * Attacks not through names in an archive but beside them: links that wait in the target, somebody who changes the target
 * while it is written, archives that grow without end when opened, and what a user who isn't root must not get.
 */

import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { diffTrees, readTree, requireRoot, withTempDir } from '@redup/testkit';
import { describe, expect, test } from 'vitest';
import type { RedupEvent } from '../src/index.js';
import {
  folder,
  type HostileSet,
  link,
  member,
  plainFile,
  root,
  writeHostileChain,
  ZERO_BLOCKS,
} from './hostile-archive.js';
import { asNobody } from './nobody.js';
import { openRepository, warnings } from './support.js';

interface Place {
  readonly home: string;
  readonly outside: string;
  readonly target: string;
  open(onEvent?: (event: RedupEvent) => void): ReturnType<typeof openRepository>;
}

async function withPlace(sets: readonly HostileSet[], use: (place: Place) => Promise<void>): Promise<void> {
  await withTempDir('places', async (home) => {
    const [outside, target, archive] = [join(home, 'outside'), join(home, 'target'), join(home, 'archive')];
    for (const directory of [outside, target]) mkdirSync(directory);
    writeFileSync(join(outside, 'secret'), 'secret');
    writeHostileChain(archive, sets);
    const open: Place['open'] = async (onEvent) => {
      const options = {
        target: archive,
        archiveDirectory: join(home, 'cache'),
        mode: 'plain' as const,
        now: 1_800_000_000,
      };
      return openRepository({ ...options, ...(onEvent === undefined ? {} : { onEvent }) });
    };
    const before = readTree(outside);
    await use({ home, outside, target, open });
    expect(diffTrees(before, readTree(outside))).toEqual([]);
  });
}

const TREE = [{ volumes: [[root(), folder('d'), plainFile('d/secret'), folder('e'), plainFile('secret')]] }];

describe('links that wait in the target, restored to with --force', () => {
  test('a link where a folder is to be: replaced, not followed', async () => {
    await withPlace(TREE, async ({ target, open }) => {
      symlinkSync('../outside', join(target, 'd'));
      const { problems } = await (await open()).repository.restore({ target, force: true });
      expect(problems).toBe(0);
      expect(lstatSync(join(target, 'd')).isDirectory()).toBe(true);
    });
  });

  test('a link where a file is to be: replaced, not written through', async () => {
    await withPlace(TREE, async ({ target, outside, open }) => {
      symlinkSync(join(outside, 'secret'), join(target, 'secret'));
      await (await open()).repository.restore({ target, force: true });
      expect(lstatSync(join(target, 'secret')).isFile()).toBe(true);
      expect(readFileSync(join(target, 'secret'), 'utf8')).toBe('harmless');
    });
  });

  test('the target itself a link: the user’s own choice', async () => {
    await withPlace(TREE, async ({ home, target, open }) => {
      const linked = join(home, 'linked');
      symlinkSync('target', linked);
      await (await open()).repository.restore({ target: linked, force: true });
      expect(readFileSync(join(target, 'd/secret'), 'utf8')).toBe('harmless');
    });
  });
});

describe('somebody who may write to the target meanwhile', () => {
  test('puts a link in the place of the folder at hand: what follows goes into the folder, wherever that is now', async () => {
    await withPlace(TREE, async ({ target, open }) => {
      const swap = (event: RedupEvent) => {
        if (event.type !== 'restored' || event.path !== 'd') return;
        renameSync(join(target, 'd'), join(target, 'moved'));
        symlinkSync('../outside', join(target, 'd'));
      };
      await (await open(swap)).repository.restore({ target });
      expect(readFileSync(join(target, 'moved/secret'), 'utf8')).toBe('harmless');
    });
  });

  test('puts a link where the next folder will be: refused', async () => {
    await withPlace(TREE, async ({ target, open }) => {
      const events: RedupEvent[] = [];
      const plant = (event: RedupEvent) => {
        events.push(event);
        if (event.type === 'restored' && event.path === '') symlinkSync('../outside', join(target, 'd'));
      };
      const { problems } = await (await open(plant)).repository.restore({ target });
      expect(problems).toBe(2);
      expect(warnings(events).join()).toMatch(/d.*exists already/);
    });
  });

  test('puts a link where the next file will be: refused', async () => {
    await withPlace(TREE, async ({ target, outside, open }) => {
      const plant = (event: RedupEvent) => {
        if (event.type === 'restored' && event.path === 'd')
          symlinkSync(join(outside, 'secret'), join(target, 'd/secret'));
      };
      expect((await (await open(plant)).repository.restore({ target })).problems).toBe(1);
    });
  });
});

describe('archives that grow without end when they are opened stay small in memory', () => {
  const BOMB_BYTES = 200 << 20;

  async function growthOf(act: () => Promise<unknown>): Promise<number> {
    const before = process.memoryUsage().rss;
    let peak = before;
    const timer = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss);
    }, 5);
    await act().finally(() => clearInterval(timer));
    return Math.max(peak, process.memoryUsage().rss) - before;
  }

  /** Replaces a stored file by a compressed one that is 200 MiB when opened. */
  function compress(archive: string, name: string, head: Buffer): void {
    const zeros = gzipSync(Buffer.alloc(BOMB_BYTES), { level: 1 });
    writeFileSync(join(archive, `${name}.gz`), Buffer.concat([gzipSync(head), zeros]));
  }

  test('a signature of 200 MiB, when the files are listed', async () => {
    await withPlace(TREE, async ({ home, open }) => {
      const name = 'duplicity-full-signatures.20231114T221320Z.sigtar';
      const head = member({ name: 'signature/f', size: BOMB_BYTES.toString(8).padStart(11, '0') });
      compress(join(home, 'archive'), name, head);
      renameSync(join(home, 'archive', name), join(home, 'unused'));
      const { repository } = await open();
      const paths: string[] = [];
      const growth = await growthOf(async () => {
        try {
          for await (const entry of repository.files()) paths.push(entry.path);
        } catch (error) {
          expect(error).toMatchObject({ code: 'SIGNATURE_DAMAGED' });
        }
      });
      expect(paths).toEqual(['f']);
      expect(growth).toBeLessThan(100 << 20);
    });
  });

  test('a signature of 200 MiB that an increment is made against', async () => {
    await withPlace(TREE, async ({ home, open }) => {
      const name = 'duplicity-full-signatures.20231114T221320Z.sigtar';
      const size = BOMB_BYTES.toString(8).padStart(11, '0');
      compress(join(home, 'archive'), name, member({ name: 'signature/f', size }));
      renameSync(join(home, 'archive', name), join(home, 'unused'));
      mkdirSync(join(home, 'source'));
      writeFileSync(join(home, 'source', 'f'), 'changed');
      const { repository } = await open();
      const growth = await growthOf(async () => {
        const backup = repository.backup({
          source: join(home, 'source'),
          allowSourceMismatch: true,
          type: 'incremental',
        });
        await backup.then(
          () => undefined,
          (error: unknown) => expect(error).toMatchObject({ code: 'SIGNATURE_DAMAGED' }),
        );
      });
      // The signature of one file is in memory whole, twice at most: 200 MiB are those of a file of 35 GB.
      expect(growth).toBeLessThan(550 << 20);
    });
  });

  test('a volume of 200 MiB in a few hundred kilobytes, read by a check', async () => {
    await withPlace(TREE, async ({ home, open }) => {
      const name = 'duplicity-full.20231114T221320Z.vol1.difftar';
      const head = Buffer.concat([
        root(),
        member({ name: 'snapshot/f', size: BOMB_BYTES.toString(8).padStart(11, '0') }),
      ]);
      compress(join(home, 'archive'), name, head);
      renameSync(join(home, 'archive', name), join(home, 'unused'));
      const { repository } = await open();
      const growth = await growthOf(async () => {
        expect((await repository.check({ readPercent: 100 })).damages).toBeGreaterThan(0);
      });
      expect(growth).toBeLessThan(100 << 20);
    });
  });

  test('a delta of a few kilobytes whose result has a gigabyte', async () => {
    // A hundred thousand times "copy the first ten thousand bytes".
    const copies = Buffer.concat([
      Buffer.from([0x72, 0x73, 0x02, 0x36]),
      Buffer.concat(Array.from({ length: 100_000 }, () => Buffer.from([0x46, 0x00, 0x27, 0x10]))),
      Buffer.from([0x00]),
    ]);
    const sets = [
      { volumes: [[root(), plainFile('f', 'b'.repeat(10_000))]] },
      { volumes: [[member({ name: 'diff/f', content: copies })]] },
    ];
    await withPlace(sets, async ({ open, home }) => {
      mkdirSync(join(home, 'empty'));
      const { repository } = await open();
      const growth = await growthOf(async () => {
        expect((await repository.verify({ local: join(home, 'empty'), compare: 'nothing' })).problems).toBe(0);
      });
      expect(growth).toBeLessThan(100 << 20);
    });
  });

  test('a million entries', async () => {
    const entries = Array.from({ length: 1_000_000 }, (_, i) => `snapshot/${String(i).padStart(7, '0')}`);
    const blocks = Buffer.alloc(512 * 1000);
    const pieces: Buffer[] = [];
    for (let from = 0; from < entries.length; from += 1000) {
      for (let i = 0; i < 1000; i++) member({ name: entries[from + i] ?? '' }).copy(blocks, 512 * i);
      pieces.push(gzipSync(blocks, { level: 1 }));
    }
    await withPlace(TREE, async ({ home, open }) => {
      const name = 'duplicity-full.20231114T221320Z.vol1.difftar';
      writeFileSync(join(home, 'archive', `${name}.gz`), Buffer.concat([gzipSync(root()), ...pieces]));
      rmSync(join(home, 'archive', name));
      const manifest = join(home, 'archive', name.replace('vol1.difftar', 'manifest'));
      writeFileSync(manifest, readFileSync(manifest, 'latin1').replace(/ {4}Hash.*\n/g, ''), 'latin1');
      const { repository } = await open();
      pieces.length = 0;
      entries.length = 0;
      const growth = await growthOf(async () => {
        const result = await repository.verify({ local: home, compare: 'nothing' });
        expect(result.files).toBeGreaterThanOrEqual(1_000_000);
      });
      expect(growth).toBeLessThan(150 << 20);
    });
  });

  test('a pax header that says 200 MiB', async () => {
    const bomb = member({ name: 'x', type: 'x', size: BOMB_BYTES.toString(8).padStart(11, '0') });
    await withPlace([{ volumes: [[root(), bomb]] }], async ({ target, open }) => {
      const growth = await growthOf(async () => {
        await expect((await open()).repository.restore({ target })).rejects.toMatchObject({ code: 'VOLUME_DAMAGED' });
      });
      expect(growth).toBeLessThan(50 << 20);
    });
  });

  test('fifty thousand entries of one name', async () => {
    const deletion = member({ name: 'deleted/x' });
    const volume = [root(), Buffer.concat(Array.from({ length: 50_000 }, () => deletion)), plainFile('z'), ZERO_BLOCKS];
    await withPlace([{ volumes: [volume] }], async ({ target, open }) => {
      const growth = await growthOf(async () => {
        expect((await (await open()).repository.restore({ target })).files).toBe(2);
      });
      expect(growth).toBeLessThan(100 << 20);
    });
  });
});

describe('a user who is not root', () => {
  const OTHERS = [
    root(),
    member({ name: 'snapshot/setuid', mode: 0o6755, uid: 0, gid: 0, content: 'x', mtime: 1_600_000_000 }),
    member({ name: 'snapshot/foreign', mode: 0o640, uid: 12_345, gid: 12_345, content: 'x', mtime: 1_600_000_000 }),
    member({ name: 'snapshot/null', type: '3', major: 1, minor: 3 }),
    member({ name: 'snapshot/pipe', type: '6', mode: 0o600, uid: 65_534, gid: 65_534 }),
    link('link', '/etc/passwd'),
  ];

  test('gets modes and times, but nobody else’s rights and no device', async (context) => {
    requireRoot(context, 'becomes nobody');
    await withPlace([{ volumes: [OTHERS] }], async ({ home, target, open }) => {
      for (const place of [home, target]) chmodSync(place, 0o755);
      chownSync(target, 65_534, 65_534);
      mkdirSync(join(home, 'cache'));
      chownSync(join(home, 'cache'), 65_534, 65_534);
      const { repository, events } = await open();
      const { problems } = await asNobody(() => repository.restore({ target }));
      const restored = readTree(target);
      expect(restored.get('setuid')).toMatchObject({ mode: 0o755, uid: 65_534, mtime: 1_600_000_000 });
      expect(restored.get('foreign')).toMatchObject({ mode: 0o640, uid: 65_534, mtime: 1_600_000_000 });
      expect(restored.has('null')).toBe(false);
      expect(restored.get('pipe')).toMatchObject({ type: 'fifo', mode: 0o600 });
      // setuid, foreign, root and the link have other owners; the device is not there.
      expect(problems).toBe(5);
      expect(warnings(events).filter((text) => text.includes('owners'))).toEqual([
        expect.stringContaining('4 entries'),
      ]);
    });
  });

  test('who asks for no ownership has no problem with it', async (context) => {
    requireRoot(context, 'becomes nobody');
    const entries = OTHERS.filter((_, i) => i !== 3);
    await withPlace([{ volumes: [entries] }], async ({ home, target, open }) => {
      for (const place of [home, target]) chmodSync(place, 0o755);
      chownSync(target, 65_534, 65_534);
      mkdirSync(join(home, 'cache'));
      chownSync(join(home, 'cache'), 65_534, 65_534);
      const { repository, events } = await open();
      const { problems } = await asNobody(() => repository.restore({ target, ownership: 'skip' }));
      expect(warnings(events)).toEqual([]);
      expect(problems).toBe(0);
      expect(readTree(target).get('setuid')?.uid).toBe(65_534);
    });
  });
});
