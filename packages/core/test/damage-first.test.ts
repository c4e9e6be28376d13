/** In a target that is a folder of this machine, damage is found before a restore has written anything. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { file, flipBit, listArchive, seeded, tree, truncateFile, withTempDir, writeTree } from '@redup/testkit';
import { expect, test } from 'vitest';
import { MODES, openRepository } from './support.js';

const DAMAGES = { 'a flipped bit': flipBit, 'a cut': truncateFile };

test.each(MODES.flatMap((mode) => Object.keys(DAMAGES).map((damage) => ({ mode, damage }))))(
  '$damage in the last volume ($mode): the target is not even made',
  async ({ mode, damage }) => {
    await withTempDir('first', async (folder) => {
      const place = { target: join(folder, 't'), archiveDirectory: join(folder, 'a'), mode };
      const source = join(folder, 's');
      writeTree(source, tree({ a: file('whole'), b: file(seeded(1, 3_000_000)), z: file('last') }));
      const { repository } = await openRepository(place);
      await repository.backup({ source, volumeBytes: 2 ** 20 });
      const last = listArchive(place.target)
        .filter(({ name }) => name.includes('.vol'))
        .at(-1);
      expect(last?.name).not.toContain('.vol1.');
      for (const [name, harm] of Object.entries(DAMAGES))
        if (name === damage) harm(join(place.target, last?.name ?? ''));
      const target = join(folder, 'restored');
      await expect(repository.restore({ target })).rejects.toMatchObject({ code: 'VOLUME_HASH', subject: last?.name });
      expect(existsSync(target)).toBe(false);
    });
  },
);
