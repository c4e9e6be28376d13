/**
 * The documents as a site. The same files are read on GitHub: nothing in them is special to the site, and what leads to a file that is no page (a
 * source, a licence) becomes plain text here.
 */

import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitepress';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = (text: string, link: string) => ({ text, link: `/docs/${link}` });

export default defineConfig({
  title: 'redup',
  description: "Incremental, encrypted backups in duplicity's archive format",
  srcDir: '..',
  srcExclude: ['**/node_modules/**', 'test-fixtures/**', 'packages/testkit/**', 'packages/cli/bundle/**', '.*/**'],
  outDir: fileURLToPath(new URL('./dist', import.meta.url)),
  // GitHub shows a folder's README.md, a server its index.html.
  rewrites: { 'README.md': 'index.md', ':folder(.*)/README.md': ':folder/index.md' },
  cleanUrls: false,
  markdown: {
    // Braces in signatures are types, not attributes.
    attrs: { disable: true },
    config(markdown) {
      markdown.core.ruler.push('links', ({ tokens, env }) => {
        for (const token of tokens.flatMap((each) => each.children ?? [])) {
          if (token.type === 'link_open') adapt(token, env.realPath ?? env.path);
        }
      });
    },
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    sidebar: [
      {
        text: 'Use',
        items: [
          page('Five minutes', 'start'),
          page('Guide', 'guide'),
          page('Nightly backup to S3', 's3-backup'),
          page('Every night by itself', 'scheduling'),
          page('Which files', 'selection'),
          page('Encryption', 'encryption'),
          page('S3', 's3'),
          page('From duplicity and back', 'from-duplicity'),
          page('Emergency (print it)', 'emergency'),
          page('The command', 'cli'),
          page('JSON', 'json'),
        ],
      },
      {
        text: 'Build on it',
        items: [
          page('Library guide', 'library'),
          { text: 'Examples', link: '/examples/' },
          ...(existsSync(join(root, 'docs/reference/index.md')) ? [page('API reference', 'reference/')] : []),
          page('Stability', 'stability'),
          page('Archive format', 'format'),
          page('librsync-wasm', 'librsync-wasm'),
        ],
      },
      {
        text: 'Trust it',
        items: [
          page('Compared with others', 'comparison'),
          page('Compatibility', 'compatibility'),
          page('Reliability', 'reliability'),
          page('Security', 'security'),
          page('Performance', 'performance'),
        ],
      },
      {
        text: 'Work on it',
        items: [
          { text: 'Contributing', link: '/CONTRIBUTING' },
          page('Architecture', 'architecture'),
          page('Decisions', 'decisions/'),
          page('Dependencies', 'dependencies'),
          { text: 'Changelog', link: '/CHANGELOG' },
        ],
      },
    ],
  },
});

interface Token {
  attrGet(name: string): string | null;
  attrSet(name: string, value: string): void;
}

/** `README.md` is `index.md` here; what is no page is shown, not linked. */
function adapt(token: Token, from: string): void {
  const href = token.attrGet('href') ?? '';
  if (/^(?:[a-z+]+:|#)/.test(href)) return;
  const [file = '', anchor] = href.split('#');
  const place = join(dirname(from), file);
  const isPage = file.endsWith('.md') && !relative(root, place).startsWith('..') && existsSync(place);
  if (isPage)
    token.attrSet('href', file.replace(/README\.md$/, 'index.md') + (anchor === undefined ? '' : `#${anchor}`));
  // A dead link between pages stays, and fails the build.
  else if (!file.endsWith('.md')) token.attrSet('href', '#');
}
