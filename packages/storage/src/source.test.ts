import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from '@redup/testkit';
import { expect, test } from 'vitest';
import { collect } from './pieces.js';
import { readSource } from './source.js';

test('a range of a source that goes beyond its end is cut off there, of bytes and of files', async () => {
  const path = join(tempDir('source'), 'file');
  const bytes = Buffer.from('hello');
  writeFileSync(path, bytes);
  for (const source of [
    { kind: 'bytes', bytes },
    { kind: 'file', path, size: 5, disposable: false },
  ] as const) {
    expect(Buffer.from(await collect(await readSource(source, 1, 100))).toString()).toBe('ello');
    expect(await collect(await readSource(source, 9, 100))).toHaveLength(0);
  }
});
