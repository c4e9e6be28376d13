/**
 * The documents do what they say: their examples run on the built packages and print what they show, their links lead
 * somewhere, and what they name is there. Examples are marked in documents.ts.
 */

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';

import {
  anchorsOf,
  blocksOf,
  type Document,
  findDocuments,
  inlineCodeOf,
  isPrintedAs,
  localLinksOf,
  type Mention,
  outputsOf,
  type Program,
  programOf,
} from './documents.js';
import { type PeerName, requirePeer, type SkipContext } from './peers.js';
import { cleanEnv, run, runOk } from './process.js';
import { cephAdmin, createS3User } from './s3/ceph.js';
import { sharedS3Server } from './s3/shared.js';
import { tempDir } from './temp.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const binaries = path.join(root, 'node_modules/.bin');
const documents = findDocuments(root);

/** Programs that examples start besides redup and Debian's basic ones. */
const PEERS: Readonly<Record<string, PeerName>> = { duplicity: 'duplicity-debian', gpg: 'gpg', rdiff: 'rdiff' };

interface Example {
  readonly document: string;
  readonly program: Program;
}

function examples(language: string, mark: (text: string) => string): Example[] {
  return documents.flatMap((document) => {
    const program = programOf(document, language, mark);
    return program === undefined ? [] : [{ document: document.path, program }];
  });
}

/** A home and a working folder of its own for each document, and nothing of the caller's settings. */
function scratch(): { cwd: string; env: Record<string, string> } {
  const folder = tempDir('docs');
  for (const name of ['home', 'work']) fs.mkdirSync(path.join(folder, name), { mode: 0o700 });
  const cwd = path.join(folder, 'work');
  const PATH = `${binaries}:${process.env['PATH'] ?? ''}`;
  return { cwd, env: cleanEnv({ HOME: path.join(folder, 'home'), PATH, NO_COLOR: '1' }) };
}

/** The access key that documents show. */
const DEMO = {
  keys: { accessKey: 'AKIAICDEMO2KVF2ODEMO', secretKey: 'kGDEMOEqf/CuM+fuDEMOENfmCeX9eDEMO0gVi9tN' },
};

/** Makes the real server known to every program of a home, as `~/.aws/config` does for users. */
async function offerS3(context: SkipContext, home: string, source: string): Promise<void> {
  requirePeer(context, 'radosgw');
  const server = await sharedS3Server();
  // A run shortly before may have left them. Other documents, which run beside this one, have buckets of their own.
  const buckets = new Set([...source.matchAll(/\bs3(?:\+http)?:\/\/([a-z0-9.-]+)/g)].map((match) => match[1]));
  for (const bucket of buckets)
    await cephAdmin(server, ['bucket', 'rm', `--bucket=${bucket}`, '--purge-objects']).catch(() => undefined);
  await createS3User(server, 'demo', { mayCreateBuckets: true, keys: DEMO.keys }).catch(() => undefined);
  fs.mkdirSync(path.join(home, '.aws'));
  const config = ['[default]', 'region = us-east-1', `endpoint_url = ${server.endpoint}`];
  fs.writeFileSync(path.join(home, '.aws/config'), `${config.join('\n')}\n`);
}

function expectOutputs({ document, program }: Example, printed: string): void {
  const outputs = outputsOf(printed);
  for (const [line, expected] of program.expected) {
    const output = outputs.get(line) ?? '';
    if (!isPrintedAs(expected, output)) {
      expect.fail(`${document}:${line} prints something else than the document shows:\n${output}`);
    }
  }
}

// Several documents run at once, each with real programs.
describe('commands in the documents', { timeout: 180_000 }, () => {
  const found = examples('bash', (text) => `echo; echo '${text}'`);

  test.concurrent.for(found)('of $document run and print what is shown', async (example, context) => {
    for (const [command, peer] of Object.entries(PEERS)) {
      if (new RegExp(`(?:^|\\|) *(?:\\w+=\\S* )*${command} `, 'm').test(example.program.source))
        requirePeer(context, peer);
    }
    const { cwd, env } = scratch();
    if (/\bs3(?:\+http)?:\/\//.test(example.program.source))
      await offerS3(context, env['HOME'] ?? '', example.program.source);
    const script = path.join(cwd, '..', path.basename(example.document));
    fs.writeFileSync(script, example.program.source);
    // An agent that a gpg started would outlive its home.
    const args = ['-c', 'exec 2>&1; bash -euo pipefail "$0"; code=$?; gpgconf --kill all || true; exit $code', script];
    const { code, stdout } = await run('bash', args, { cwd, env });
    expect(code, `${example.document}: exit code ${code} after\n${stdout}`).toBe(0);
    expectOutputs(example, stdout);
  });
});

describe('TypeScript in the documents', () => {
  const found = examples('ts', (text) => `console.log('\\n${text}');`);
  const project = tempDir('docs-project');
  const moduleName = (document: string) => document.replaceAll('/', '__').replace(/\.md$/, '');

  /** One project in which somebody uses the packages, with their types. */
  beforeAll(async () => {
    fs.symlinkSync(path.join(root, 'node_modules'), path.join(project, 'node_modules'));
    fs.writeFileSync(path.join(project, 'package.json'), '{ "type": "module" }');
    const compilerOptions = {
      ...JSON.parse(fs.readFileSync(path.join(root, 'tsconfig.base.json'), 'utf8')).compilerOptions,
    };
    Object.assign(compilerOptions, { declaration: false, declarationMap: false, rootDir: '.', outDir: 'out' });
    fs.writeFileSync(path.join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    for (const { document, program } of found) {
      fs.writeFileSync(path.join(project, `${moduleName(document)}.ts`), `${program.source}\nexport {};\n`);
    }
    await runOk(path.join(binaries, 'tsc'), ['-p', project]);
  });

  test.concurrent.for(found)('of $document compiles strictly, runs and prints what is shown', async (example) => {
    const { cwd, env } = scratch();
    const module = path.join(project, 'out', `${moduleName(example.document)}.js`);
    const { code, stdout, stderr } = await run(process.execPath, ['--enable-source-maps', module], { cwd, env });
    expect(code, `${example.document}: exit code ${code} after\n${stdout}\n${stderr}`).toBe(0);
    expectOutputs(example, stdout);
  });
});

describe('links and names in the documents', () => {
  const where = (document: Document, line: number, text: string) => `${document.path}:${line}: ${text}`;

  test('lead to files and headings that are there', () => {
    const broken = documents.flatMap((document) =>
      localLinksOf(document)
        .filter(({ text }) => !leadsSomewhere(document, text))
        .map(({ text, line }) => where(document, line, text)),
    );
    expect(broken).toEqual([]);
  });

  function leadsSomewhere(document: Document, link: string): boolean {
    const [file = '', anchor] = link.split('#');
    const target = file === '' ? document.path : path.join(path.dirname(document.path), file);
    if (!fs.existsSync(path.join(root, target))) return false;
    const other = documents.find(({ path: name }) => name === target);
    return anchor === undefined || (other !== undefined && anchorsOf(other).has(anchor));
  }

  test('are files, scripts and codes of this repository', () => {
    const sources = readSources();
    const isThere = (code: string): boolean => {
      if (/^(?:packages|docs|\.ci|\.github)\/[\w./-]+$/.test(code)) return fs.existsSync(path.join(root, code));
      if (/^[\w-]+(?:\.\w+)*\.test\.ts$/.test(code)) return sources.names.has(code);
      const script = /^npm run ([\w-]+)/.exec(code)?.[1];
      if (script !== undefined) return sources.scripts.has(script);
      // Error codes, environment variables (but the SDK's, and duplicity's that is ignored), classes and functions.
      if (code.startsWith('AWS_') || code === 'FTP_PASSWORD') return true;
      const isName = /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$|^[A-Za-z][a-z0-9]+(?:[A-Z][a-z0-9]+)+$/.test(code);
      return !isName || sources.text.includes(code);
    };
    const unknown = documents.flatMap((document) =>
      inlineCodeOf(document)
        .filter(({ text }) => !isThere(text))
        .map(({ text, line }) => where(document, line, text)),
    );
    expect(unknown).toEqual([]);
  });

  test('are commands and options that redup knows', async () => {
    const { commands, options } = await whatRedupKnows();
    expect(options.size).toBeGreaterThan(50);
    const unknownIn = (text: string): string[] => {
      // Without a command: `redup SOURCE URL`.
      const [, command = ''] = /^redup ([a-z][a-z-]*)(?![a-z-]| \S+:\/\/)/.exec(text) ?? [];
      const given = text.split(/[|;&#]/)[0]?.match(/(?<= )--[a-z0-9-]+/g) ?? [];
      return [
        ...(command === '' || commands.has(command) ? [] : [command]),
        ...given.filter((name) => !options.has(name)),
      ];
    };
    const unknown = documents.flatMap((document) =>
      [...inlineCodeOf(document), ...commandsOf(document)]
        .filter(({ text }) => /^(?:\w+=\S* )*(?:npx )?redup /.test(text))
        .flatMap(({ text, line }) =>
          unknownIn(text.replace(/^.*?\bredup /, 'redup ')).map((name) => where(document, line, name)),
        ),
    );
    expect(unknown).toEqual([]);
  });

  /** Lines of blocks that show a shell, running or not. */
  function commandsOf(document: Document): Mention[] {
    return blocksOf(document)
      .filter(({ language }) => language === 'bash' || language === 'sh')
      .flatMap(({ content, line }) => content.map((text, index) => ({ text, line: line + 1 + index })));
  }

  /** From its help; options that the help leaves out, from their declarations. */
  async function whatRedupKnows(): Promise<{ commands: Set<string>; options: Set<string> }> {
    const help = async (...args: string[]) => (await runOk(path.join(binaries, 'redup'), [...args, '--help'])).stdout;
    const commands = [...(await help()).matchAll(/^ {2}([a-z-]+) {2,}/gm)].map((match) => match[1] ?? '');
    const shown = await Promise.all(commands.map((command) => help(command)));
    // Two words that make text and have no help of their own.
    for (const args of [['man'], ['completion', 'bash']]) await runOk(path.join(binaries, 'redup'), args);
    const folder = path.join(root, 'packages/cli/src/options');
    const declared = fs.readdirSync(folder).map((name) => fs.readFileSync(path.join(folder, name), 'utf8'));
    const names = declared.flatMap((text) =>
      [...text.matchAll(/^ {2}'?([a-z0-9-]+)'?: \{/gm)].map((match) => `--${match[1]}`),
    );
    return {
      commands: new Set([...commands, 'man', 'completion']),
      options: new Set([...(shown.join('').match(/--[a-z0-9-]+/g) ?? []), ...names]),
    };
  }

  function readSources(): { text: string; names: Set<string>; scripts: Set<string> } {
    const packages = path.join(root, 'packages');
    const manifests = [
      '.',
      'docs',
      'examples',
      ...fs.readdirSync(packages).map((name) => path.join('packages', name)),
    ].map((folder) => JSON.parse(fs.readFileSync(path.join(root, folder, 'package.json'), 'utf8')));
    const settings = fs.readFileSync(path.join(root, 'vitest.config.ts'), 'utf8');
    const files = fs
      .readdirSync(packages, { recursive: true, encoding: 'utf8' })
      .filter((name) => /^[\w-]+\/(?:src|test|scripts|assembly)\/.*\.(?:ts|mjs)$/.test(name));
    return {
      text: files.map((name) => fs.readFileSync(path.join(packages, name), 'utf8')).join('\n') + settings,
      scripts: new Set(manifests.flatMap(({ scripts = {} }) => Object.keys(scripts))),
      names: new Set(files.map((name) => path.basename(name))),
    };
  }
});

describe('the reader of documents', () => {
  const document = (...lines: string[]): Document => ({ path: 'a.md', lines });

  test('makes one program of all blocks that run, in the lines where they stand', () => {
    const text = document(
      '# A',
      '```bash run',
      'x=1',
      '```',
      'and then',
      '```bash run',
      'echo $x',
      '```',
      '```text output',
      '1',
      '```',
      '```bash',
      'no',
      '```',
    );
    const program = programOf(text, 'bash', (mark) => mark);
    expect(program?.source.split('\n').slice(0, 8)).toEqual([
      '',
      '──── line 2 ────',
      'x=1',
      '',
      '',
      '──── line 6 ────',
      'echo $x',
      '',
    ]);
    expect(program?.source).not.toContain('no');
    expect(program?.expected).toEqual(new Map([[6, '1']]));
    expect(outputsOf('──── line 2 ────\n\n──── line 6 ────\n1\n').get(6)).toBe('1\n');
  });

  test.each([
    ['a\nb', 'a\nb\n', true],
    ['a\nb', 'a\nb\nc\n', false],
    ['a … c', 'a b b c', true],
    ['a\n…\nc', 'a\nb\nb\nc', true],
    ['a\n…\nc', 'a\nb\nd', false],
    ['a.c', 'abc', false],
  ])('takes %j for a description of %j: %j', (expected, printed, verdict) => {
    expect(isPrintedAs(expected, printed)).toBe(verdict);
  });

  test('finds links, names and anchors outside of blocks alone', () => {
    const text = document(
      '## A `b` or C!',
      '[x](y.md#z) and [w](https://e.org)',
      '```',
      '[no](no.md)',
      '`no`',
      '```',
      '`[no](no)`',
    );
    expect(localLinksOf(text)).toEqual([{ text: 'y.md#z', line: 2 }]);
    expect(inlineCodeOf(text).map((mention) => mention.text)).toEqual(['b', '[no](no)']);
    expect(anchorsOf(text)).toEqual(new Set(['a-b-or-c']));
  });
});
