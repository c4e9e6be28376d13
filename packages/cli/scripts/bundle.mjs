#!/usr/bin/env node
/**
 * The command as users install it: `bundle/`, made from the sources of every package with esbuild. Hundreds of small modules
 * become a few files, of which a command reads those that it needs: S3, keys, configuration and prompts are files of their
 * own. `openpgp` stays a package beside it (its licence wants it exchangeable). The licences of what is inside go along.
 *
 * usage: bundle.mjs [--if-stale] [--sizes]
 */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const packages = fileURLToPath(new URL('../../', import.meta.url));
const target = join(packages, 'cli/bundle');
const made = `${target}.${process.pid}`;

if (process.argv.includes('--if-stale') && !isStale()) process.exit(0);

/** The workspace's packages by their sources, as in vitest.config.ts. */
const ownSources = {
  name: 'own-sources',
  setup({ onResolve }) {
    onResolve({ filter: /^(@redup\/|librsync-wasm$)/ }, ({ path }) => {
      const [, folder, file = 'index'] = /^(?:@redup\/)?([\w-]+)(?:\/([\w-]+))?$/.exec(path);
      return { path: join(packages, folder, 'src', `${file}.ts`), sideEffects: false };
    });
  },
};

/** Few runs start another program, and each pays some milliseconds for the module that could: it is loaded at the first call. */
const lateChildProcess = {
  name: 'late-child-process',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(node:)?child_process$/ }, () => ({ path: 'child_process', namespace: 'late' }));
    onLoad({ filter: /.*/, namespace: 'late' }, () => ({
      contents: ['exec', 'execFile', 'execFileSync', 'spawn', 'spawnSync']
        .map(
          (name) => `export const ${name} = (...args) => process.getBuiltinModule('child_process').${name}(...args);`,
        )
        .join('\n'),
    }));
  },
};

rmSync(made, { recursive: true, force: true });
const { metafile } = await build({
  entryPoints: {
    main: join(packages, 'cli/src/main.ts'),
    'deflate-worker': join(packages, 'compress/src/deflate-worker.ts'),
  },
  outdir: made,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  mainFields: ['module', 'main'],
  external: ['openpgp'],
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  metafile: true,
  absWorkingDir: packages,
  chunkNames: '[name]-[hash]',
  // Packages that are CommonJS ask for Node's modules, and nothing else, by require().
  banner: { js: 'const require=process.getBuiltinModule;' },
  plugins: [ownSources, lateChildProcess],
  logLevel: 'warning',
});
writeFileSync(join(made, 'LICENSES.txt'), licences(Object.keys(metafile.inputs)));
if (process.argv.includes('--sizes')) tellSizes(metafile);
replace();

/** Nearly in one step: another program may be starting, or making the same. */
function replace() {
  const old = `${made}.old`;
  if (existsSync(target)) renameSync(target, old);
  renameSync(made, target);
  rmSync(old, { recursive: true, force: true });
}

/** Whether a source is newer than the bundle. */
function isStale() {
  const main = join(target, 'main.js');
  if (!existsSync(main)) return true;
  const then = statSync(main).mtimeMs;
  return readdirSync(packages).some((folder) => {
    const sources = join(packages, folder, 'src');
    if (folder === 'testkit' || !existsSync(sources)) return false;
    return readdirSync(sources, { recursive: true })
      .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
      .some((name) => statSync(join(sources, name)).mtimeMs > then);
  });
}

/** Each text once, with everything that it is the licence of. */
function licences(inputs) {
  const folders = new Set(
    inputs.flatMap((input) => /(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.slice(1) ?? []),
  );
  const byText = new Map();
  for (const folder of [...folders].sort()) {
    const root = join(packages, folder);
    const { name, version, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const file = readdirSync(root).find((each) => /^licen[cs]e/i.test(each));
    const text = file === undefined ? `Licence: ${license}` : readFileSync(join(root, file), 'utf8').trim();
    byText.set(text, [...(byText.get(text) ?? []), `${name} ${version} (${license})`]);
  }
  return [...byText].map(([text, names]) => `${names.join('\n')}\n\n${text}\n`).join(`\n${'─'.repeat(80)}\n\n`);
}

function tellSizes({ outputs }) {
  for (const [file, { bytes, inputs }] of Object.entries(outputs).sort((a, b) => b[1].bytes - a[1].bytes)) {
    const largest = Object.entries(inputs)
      .sort((a, b) => b[1].bytesInOutput - a[1].bytesInOutput)
      .slice(0, 3);
    const what = largest.map(([name, { bytesInOutput }]) => `${name} ${bytesInOutput}`).join(', ');
    process.stdout.write(`${bytes} ${relative(made, join(packages, file))}: ${what}\n`);
  }
}
