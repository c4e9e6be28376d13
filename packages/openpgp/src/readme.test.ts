import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** The example of each README, compiled to nothing more than itself, run against the built packages. */
describe.each(['openpgp', 'compress'])('the README of %s', (name) => {
  it('has an example that runs', () => {
    const root = join(import.meta.dirname, '..', '..', name);
    const [, example = ''] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
    expect(example).toContain(`@redup/${name}`);
    // Inside the package, so that its own name resolves; type annotations are the only TypeScript in it.
    const folder = mkdtempSync(join(root, 'dist', 'readme-'));
    try {
      const file = join(folder, 'example.mjs');
      const check = name === 'openpgp' ? 'console.log(String(plain))' : 'console.log(stored.length > 1)';
      writeFileSync(file, `${example.replace(': Uint8Array[]', '')}\n${check};\n`);
      const result = spawnSync(process.execPath, [file], { encoding: 'utf8' });
      expect(result.stderr).toBe('');
      expect(result.stdout).toBe(name === 'openpgp' ? 'a manifest\n' : 'true\n');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
