import fs from 'node:fs';
import { expect, test } from 'vitest';
// example
import {
  diffTrees,
  directory,
  duplicityOk,
  file,
  readTree,
  requirePeer,
  snapshotOf,
  symlink,
  tree,
  updateTree,
  withDuplicityHome,
  withTempDir,
  writeTree,
} from './index.js';

test('a chain of two sets', async (context) => {
  const peer = requirePeer(context, 'duplicity-debian');
  const before = tree({ 'a/b': file('one'), 'a.b': file('two', { mode: 0o4755 }), '\xff\n': symlink('a/b') });
  const after = tree({ 'a/b': directory(), 'a.b': file('two, changed', { mtime: 4_102_444_800 }) });

  await withTempDir('example', (work) =>
    withDuplicityHome(async (home) => {
      const [source, url, restored] = [`${work}/source`, `file://${work}/target`, `${work}/restored`];
      const common = { home, passphrase: 'secret' };
      writeTree(source, before);
      await duplicityOk(peer, ['backup', source, url], { ...common, currentTime: 1_700_000_000 });
      updateTree(source, before, after);
      await duplicityOk(peer, ['backup', source, url], { ...common, currentTime: 1_700_000_010 });

      await duplicityOk(peer, ['restore', url, restored], common);
      expect(diffTrees(snapshotOf(after), readTree(restored))).toEqual([]);
    }),
  );
});
// end of the example

test('the README shows this example', () => {
  const source = fs.readFileSync(new URL(import.meta.url), 'utf8');
  const example = /\/\/ example\n([\s\S]*?)\/\/ end of the example/.exec(source)?.[1] ?? 'no example';
  const readme = fs.readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  expect(readme).toContain(example.replaceAll("'./index.js'", "'@redup/testkit'"));
});
