/** Each line of the table "Where redup does better" in docs/compatibility.md names a test, and the test is there. */

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Every file below the packages whose name ends so, by its own name. */
function sources(): Map<string, string> {
  const found = new Map<string, string>();
  for (const entry of fs.readdirSync(path.join(root, 'packages'), { recursive: true, encoding: 'utf8' })) {
    if (entry.includes('node_modules') || !/(\.test|\/attacks)\.ts$/.test(entry)) continue;
    const name = path.basename(entry);
    found.set(name, (found.get(name) ?? '') + fs.readFileSync(path.join(root, 'packages', entry), 'utf8'));
  }
  return found;
}

function rows(): string[][] {
  const page = fs.readFileSync(path.join(root, 'docs/compatibility.md'), 'utf8');
  const table = page.slice(page.indexOf('| duplicity | redup | shown by |'), page.indexOf('## Known deviations'));
  const lines = table.split('\n').filter((line) => line.startsWith('| '));
  return lines.slice(1).map((line) => line.split(' | '));
}

test('there are as many lines as things that duplicity is known to do wrong', () => {
  expect(rows().length).toBeGreaterThanOrEqual(27);
});

test.each(rows())('%s', (_duplicity, _redup, shownBy = '') => {
  const [, file = '', title = ''] = /`([\w.-]+\.ts)`, "([^"]+)"/.exec(shownBy) ?? [];
  const source = sources().get(file);
  expect(source, `${file || shownBy} is no test`).toBeDefined();
  expect(source, `${file} has no such test`).toContain(title);
});
