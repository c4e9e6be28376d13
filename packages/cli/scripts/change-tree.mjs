/** Changes a few files of a folder that is ours, the way people and programs do: the same files whenever it is run. */

import {
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

const MOST = 200;

export function changeSome(root) {
  const files = filesBelow(root);
  const every = Math.max(10, Math.floor(files.length / MOST));
  const changed = { rewritten: 0, removed: 0, added: 0, touched: 0 };
  for (const [index, path] of files.entries()) {
    if (index % every !== 0) continue;
    const kind = (index / every) % 5;
    if (kind === 0) {
      rmSync(path);
      changed.removed++;
    } else if (kind === 1) {
      // In the middle, so that most of it is found again in the basis.
      const content = readFileSync(path);
      const middle = content.length >> 1;
      writeOver(
        path,
        Buffer.concat([
          content.subarray(0, middle),
          Buffer.from('changed by the quickstart\n'),
          content.subarray(middle),
        ]),
      );
      changed.rewritten++;
    } else if (kind === 2) {
      writeOver(path, Buffer.from('replaced by the quickstart\n'));
      changed.rewritten++;
    } else if (kind === 3) {
      utimesSync(path, 1_600_000_000, 1_600_000_000 + index);
      changed.touched++;
    } else {
      chmodSync(path, lstatSync(path).mode ^ 0o010);
      changed.touched++;
    }
  }
  const fresh = join(root, 'added by the quickstart');
  mkdirSync(fresh);
  writeFileSync(join(fresh, 'text ä €.txt'), 'new\n'.repeat(10_000));
  writeFileSync(join(fresh, 'empty'), '');
  symlinkSync('empty', join(fresh, 'link'));
  changed.added = 4;
  return changed;
}

function writeOver(path, bytes) {
  const { mode } = lstatSync(path);
  chmodSync(path, 0o600);
  const fd = openSync(path, 'w');
  writeSync(fd, bytes);
  closeSync(fd);
  chmodSync(path, mode & 0o7777);
}

/** Regular files with one name (changing one of several hard links would change the others as well), in order. */
function filesBelow(root) {
  const found = [];
  const pending = [root];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    for (const name of readdirSync(folder).sort()) {
      const path = join(folder, name);
      const stats = lstatSync(path, { throwIfNoEntry: false });
      if (stats?.isDirectory()) pending.push(path);
      else if (stats?.isFile() && stats.nlink === 1 && stats.size < 50e6) found.push(path);
    }
  }
  return found.sort();
}
