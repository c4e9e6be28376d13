/** What streams takes no more memory for more data: sources that a program gives, single files through deltas, tars. */

import { join } from 'node:path';
import { peakRss, requirePeer, withTempDir } from '@redup/testkit';
import { expect, test } from 'vitest';

const PROGRAM = `
import { Repository } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)};
const [folder, megabytes] = process.argv.slice(1);
const piece = Buffer.alloc(1 << 20, 'row of a dump that goes on and on, ');
async function* dump(first) {
  yield first;
  for (let i = 0; i < Number(megabytes); i++) yield piece;
}
const repository = Repository.open('file://' + folder + '/target', {
  archiveDirectory: folder + '/cache',
  temporaryDirectory: folder,
  workers: 1,
});
for (const first of ['one', 'two', 'three']) {
  await repository.backup({ source: [{ path: 'dump', content: () => dump(first) }], volumeBytes: 50e6 });
}
let read = 0;
for await (const bytes of repository.open('dump')) read += bytes.length;
for await (const bytes of repository.toTar()) read += bytes.length;
if (read < 2 * megabytes * piece.length) throw new Error('only ' + read + ' bytes');
await repository.close();
`;

test('three backups of a given dump, its stream and its tar take less than 250 MB', {
  timeout: 300_000,
}, async (context) => {
  requirePeer(context, 'time');
  await withTempDir('streams', async (folder) => {
    const args = ['--input-type=module', '-e', PROGRAM, '--', folder, '400'];
    const { code, stderr, peakBytes } = await peakRss(process.execPath, args, {
      env: { PATH: process.env['PATH'] ?? '', HOME: join(folder, 'home') },
      timeoutMs: 300_000,
    });
    expect([code, stderr]).toEqual([0, '']);
    expect(peakBytes).toBeLessThan(250 * 2 ** 20);
  });
});
