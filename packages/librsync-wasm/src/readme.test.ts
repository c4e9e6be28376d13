import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const README = readFileSync(`${ROOT}README.md`, 'utf8');

describe('the README', () => {
  const examples = [...README.matchAll(/^## (.+)\n(?:(?!^## )[\s\S])*?```js\n([\s\S]*?)```/gm)];
  for (const [, heading = '', code = ''] of examples) {
    it(`has an example that runs: ${heading}`, () => {
      // In the package's folder its own name resolves to what is built.
      execFileSync(process.execPath, ['--input-type=module', '-e', code], {
        cwd: ROOT,
        encoding: 'utf8',
        stdio: 'pipe',
      });
    });
  }

  it('has its three examples tested', ({ expect }) => {
    expect(examples).toHaveLength(3);
    expect(README.match(/```js/g)).toHaveLength(3);
  });
});
