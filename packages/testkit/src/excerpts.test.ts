/**
 * Blocks of the documents that are no part of their page's program (documents.ts): commands with your paths and buckets, tables
 * of cron, units of systemd. Each runs here with places of ours for yours, or is named with what runs or reads it.
 */

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

import { type Block, blocksOf, findDocuments, inlineCodeOf } from './documents.js';
import { type PeerName, requirePeer } from './peers.js';
import { cleanEnv, run, runOk } from './process.js';
import { tempDir } from './temp.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const binaries = path.join(root, 'node_modules/.bin');
const documents = findDocuments(root).filter(({ path: name }) => !name.startsWith('docs/api/'));

/** A shell excerpt, and what stands for the reader's things in it. */
interface Excerpt {
  /** `document: beginning of its first line`. */
  readonly block: string;
  readonly peers?: readonly PeerName[];
  /** Runs before. `$source` is a folder, `$target` a URL, in all three and in `ours`. */
  readonly before?: string;
  readonly ours: readonly (readonly [theirs: string | RegExp, ours: string])[];
  /** Runs after, and fails if the excerpt did not do what it says. */
  readonly after: string;
}

const RESTORES = 'redup restore "$target" again > /dev/null && diff -r "$source" again';
/** What a person types into gpg's questions: an empty passphrase. */
const MAKE_KEY = `mkdir -m 700 ~/.gnupg; printf '%s\\n' batch 'pinentry-mode loopback' 'passphrase ""' > ~/.gnupg/gpg.conf
fingerprint() { gpg --list-keys --with-colons | sed -n '/^fpr/{s/[^0-9A-F]//gp;q}'; }`;

const EXCERPTS: readonly Excerpt[] = [
  {
    block: 'README.md:  export PASSPHRASE AWS',
    peers: ['duplicity-debian'],
    ours: [
      [/^-/m, ''],
      [/^\+/m, 'sleep 1.1; echo more >> "$source/a file"; '],
      ['s3://my-backups/laptop', '"$target"'],
      [' /home ', ' "$source" '],
      ['/var/log/', ''],
    ],
    after: `redup collection-status "$target" | grep -F 'backup sets: 2' && ${RESTORES}`,
  },
  {
    block: 'README.md: npx redup backup',
    ours: [
      ['npx redup', 'redup'],
      ['file:///mnt/disk/backup', '"$target"'],
      ['/home/me/restored', 'restored'],
      ['/home/me', '"$source"'],
    ],
    after: 'diff -r "$source" restored',
  },
  {
    block: 'docs/start.md: npm ci',
    ours: [['npm ci', `cd ${root}`]],
    after: '[ "$(command -v redup)" -ef node_modules/.bin/redup ]',
  },
  {
    block: "docs/encryption.md: PASSPHRASE='six",
    ours: [
      ['s3://bucket/home', '"$target"'],
      [' /home ', ' "$source" '],
    ],
    after: `export PASSPHRASE='six or more random words'; ${RESTORES}`,
  },
  {
    block: 'docs/encryption.md: redup backup --encrypt-key',
    peers: ['gpg'],
    before: `${MAKE_KEY}
gpg --quiet --quick-generate-key backup@example.org default default 3y && gpg --export --armor > backup-public.asc`,
    ours: [
      ['1A2B3C4D5E6F7A8B', '$(fingerprint)'],
      ['/etc/redup/', './'],
      ['s3://bucket/home', '"$target-1"'],
      ['s3://bucket/home', '"$target-2"'],
      [' /home ', ' "$source" '],
    ],
    after: 'for n in 1 2; do redup restore "$target-$n" again-$n > /dev/null && diff -r "$source" again-$n; done',
  },
  {
    block: 'docs/encryption.md: # at your desk',
    peers: ['gpg'],
    before: MAKE_KEY,
    ours: [['FINGERPRINT', '$(fingerprint)']],
    after: `redup backup --encrypt-key ./backup-public.asc "$source" "$target" > /dev/null
rm -r ~/.gnupg && redup restore --encrypt-key ./backup-secret.asc "$target" again > /dev/null && diff -r "$source" again`,
  },
  {
    block: 'docs/performance.md: export PASSPHRASE=benchmark',
    peers: ['duplicity-debian', 'time'],
    ours: [
      ['npx redup', 'redup'],
      ['/usr/share', '"$source"'],
      ['file:///tmp/', 'file://$PWD/'],
    ],
    after: `for target in file://$PWD/by-{redup,duplicity}; do rm -rf again; ${RESTORES}; done`,
  },
];

/** Blocks that run or are read elsewhere: there, by what this names. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'CONTRIBUTING.md: npm ci': '.ci/run',
  'README.md: npm ci && npm run quickstart': 'packages/cli/scripts/quickstart.mjs',
  'docs/library.md: node .ci/release.mjs pack': 'packages/testkit/src/packages.test.ts',
  'docs/performance.md: npm run prove': 'packages/compress/package.json',
  'docs/reliability.md: npm run fuzz': 'packages/testkit/src/fuzz',
  'docs/s3-backup.md: [default]': 'packages/testkit/src/docs.test.ts',
  'docs/s3.md: {': 'packages/testkit/src/s3/users.ts',
  'examples/README.md: node examples/dist/database-dump.js': 'examples/test/examples.test.ts',
  'packages/bench/README.md: npm run bench': 'packages/bench/src/bench.test.ts',
  'packages/cli/README.md: export PASSPHRASE=': 'packages/cli/test/command.test.ts',
  'packages/librsync-wasm/README.md: import {': 'packages/librsync-wasm/src/readme.test.ts',
  'packages/openpgp/README.md: import {': 'packages/openpgp/src/readme.test.ts',
  'packages/storage/README.md: import {': 'packages/storage/src/wrappers.test.ts',
  'packages/storage-s3/README.md: import {': 'packages/storage-s3/test/repairs.test.ts',
  'packages/storage-s3/README.md: REDUP_FAULT_SCHEDULES': 'packages/storage-s3/test/faults.test.ts',
  'packages/testkit/README.md: import {': 'packages/testkit/src/example.test.ts',
  'packages/testkit/README.md: node packages/testkit/scripts/peers.mjs': 'packages/testkit/scripts/peers.mjs',
};

/** Run by the tests of their own below. */
const CRON = ['docs/scheduling.md: MAILTO=', 'docs/s3-backup.md: PATH='];
const UNITS = [
  'docs/scheduling.md: # /etc/systemd/system/backup.service',
  'docs/scheduling.md: # /etc/systemd/system/backup.timer',
];
const TYPESCRIPT: Readonly<Record<string, string>> = {
  'docs/library.md: import { openGnupg': 'declare const url: string;',
  'docs/s3.md: import { StorageRegistry': '',
  'packages/compress/README.md: import { DeflateRing': '',
};
/** Drawings and descriptions; whatever else is no program must say so here. */
const NO_PROGRAM = [
  'docs/architecture.md: packages/',
  'docs/format.md: Hostname',
  'docs/format.md: session key',
  'docs/format.md: REDUP.stat',
];

interface Found {
  readonly title: string;
  readonly block: Block;
}

const found: readonly Found[] = documents.flatMap((document) =>
  blocksOf(document)
    // What docs.test.ts runs, and the output that it compares: that of the block before.
    .filter(({ marks }, index, all) => {
      const isCompared = marks.includes('output') && all[index - 1]?.marks.includes('run') === true;
      return !marks.includes('run') && !isCompared;
    })
    .map((block) => ({ title: `${document.path}: ${block.content[0] ?? ''}`, block })),
);

function textOf(beginning: string): string {
  const [one, ...more] = found.filter(({ title }) => title.startsWith(beginning));
  if (one === undefined || more.length > 0)
    throw new Error(`not one block, but ${more.length + (one ? 1 : 0)}: ${beginning}`);
  return one.block.content.join('\n');
}

test('every block of the documents is run, or named with what runs it', () => {
  const known = [
    ...EXCERPTS.map(({ block }) => block),
    ...Object.keys(ELSEWHERE),
    ...CRON,
    ...UNITS,
    ...Object.keys(TYPESCRIPT),
    ...NO_PROGRAM,
  ];
  expect(found.map(({ title }) => title).filter((title) => !known.some((begin) => title.startsWith(begin)))).toEqual(
    [],
  );
  expect(known.filter((begin) => !found.some(({ title }) => title.startsWith(begin)))).toEqual([]);
  expect(Object.values(ELSEWHERE).filter((file) => !fs.existsSync(path.join(root, file)))).toEqual([]);
});

/** A home, a source and a target. */
function scratch(): { cwd: string; env: Record<string, string>; source: string; target: string } {
  const folder = tempDir('excerpt');
  for (const name of ['home', 'work', 'source']) fs.mkdirSync(path.join(folder, name), { mode: 0o700 });
  fs.writeFileSync(path.join(folder, 'source/a file'), 'a text\n'.repeat(20_000));
  const [cwd, source, target] = [path.join(folder, 'work'), path.join(folder, 'source'), `file://${folder}/target`];
  const PATH = `${binaries}:${process.env['PATH'] ?? ''}`;
  const PASSPHRASE = 'correct horse battery staple';
  const env = cleanEnv({ HOME: path.join(folder, 'home'), PATH, PASSPHRASE, NO_COLOR: '1', source, target });
  return { cwd, env, source, target };
}

describe('excerpts', { timeout: 120_000 }, () => {
  test.for(EXCERPTS)('$block', async ({ block, peers = [], before = '', ours, after }, context) => {
    for (const name of peers) requirePeer(context, name);
    const { cwd, env } = scratch();
    const script = [before, replaced(textOf(block), ours), after].join('\n');
    const args = ['-c', `trap 'gpgconf --kill all || true' EXIT; set -euo pipefail; exec 2>&1\n${script}`];
    const { code, stdout } = await run('bash', args, { cwd, env });
    expect(code, `${script}\n${stdout}`).toBe(0);
  });

  /** Each must be there. One that comes twice in the list is replaced once each time, in their order. */
  function replaced(text: string, ours: Excerpt['ours']): string {
    return ours.reduce((before, [theirs, our]) => {
      const again = ours.filter(([other]) => other === theirs).length > 1;
      const after =
        again || theirs instanceof RegExp ? before.replace(theirs, () => our) : before.replaceAll(theirs, () => our);
      if (after === before) throw new Error(`nothing to replace: ${theirs}`);
      return after;
    }, text);
  }
});

describe('the schedule', { timeout: 60_000 }, () => {
  /** What the page's reader has made before: its script. */
  function installNightly(folder: string): string {
    const page = fs.readFileSync(path.join(root, 'docs/scheduling.md'), 'utf8');
    const script = /cat > nightly <<'END'\n([\s\S]*?)\nEND\n/.exec(page)?.[1] ?? 'exit 99';
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, 'nightly'), `${script}\n`, { mode: 0o755 });
    return path.join(folder, 'nightly');
  }

  async function expectBackup({ cwd, env, source, target }: ReturnType<typeof scratch>): Promise<void> {
    await runOk('redup', ['restore', target, 'again'], { cwd, env });
    await runOk('diff', ['-r', source, path.join(cwd, 'again')]);
  }

  test('of cron runs with the few variables that cron sets', async () => {
    const places = scratch();
    const home = places.env['HOME'] ?? '';
    installNightly(path.join(home, 'bin'));
    fs.mkdirSync(path.join(home, '.config'));
    fs.writeFileSync(path.join(home, '.config/backup.env'), `export PASSPHRASE='${places.env['PASSPHRASE']}'\n`);
    const lines = textOf(CRON[0] ?? '').split('\n');
    const variables = lines
      .filter((line) => /^[A-Z]+=/.test(line))
      .map((line) => line.replace('PATH=', `PATH=${places.env['PATH']}:`));
    const [entry = ''] = lines.filter((line) => !/^[A-Z]+=/.test(line));
    const [, command = 'exit 99'] = /^(?:\S+ ){5}(.*)$/.exec(entry) ?? [];
    const ours = command.replace('/home/you', places.source).replace('s3://my-backups/laptop', places.target);
    const cron = ['-i', `HOME=${home}`, 'LOGNAME=you', 'SHELL=/bin/sh', ...variables, '/bin/sh', '-c', ours];
    await runOk('env', cron, { cwd: home });
    await expectBackup(places);
  });

  test('of root that the S3 page shows starts what that page runs', () => {
    const [, entry = ''] = textOf(CRON[1] ?? '').split('\n');
    const [, command = ''] = /^(?:\S+ ){5}(.*)$/.exec(entry) ?? [];
    const page = fs.readFileSync(path.join(root, 'docs/s3-backup.md'), 'utf8');
    expect(page).toContain(`cron "${command.replaceAll('/home/you', '$HOME')}"`);
  });

  test('of systemd is one that systemd takes, and its command runs', async (context) => {
    requirePeer(context, 'systemd');
    const places = scratch();
    const nightly = installNightly(path.join(places.cwd, 'bin'));
    const environment = path.join(places.cwd, 'backup.env');
    fs.writeFileSync(environment, `PASSPHRASE=${places.env['PASSPHRASE']}\n`, { mode: 0o600 });
    const units = UNITS.map((title) => {
      const ours = textOf(title).replace('/usr/local/bin/nightly', nightly).replace('/etc/backup.env', environment);
      const file = path.join(places.cwd, path.basename(title));
      fs.writeFileSync(file, `${ours}\n`);
      return file;
    });
    const { code, stdout, stderr } = await run('systemd-analyze', ['verify', ...units]);
    // It complains without failing. Units of the machine itself are not ours.
    expect([code, `${stdout}${stderr}`.split('\n').filter((line) => line.includes(places.cwd))]).toEqual([0, []]);

    const service = fs.readFileSync(units[0] ?? '', 'utf8');
    const start = /^ExecStart=(.*)$/m.exec(service)?.[1] ?? 'exit 99';
    const ours = start.replace(' /home ', ` ${places.source} `).replace('s3://my-backups/laptop', places.target);
    const variables = fs.readFileSync(environment, 'utf8').trim();
    const { HOME = '', PATH = '' } = places.env;
    await runOk('env', ['-i', `HOME=${HOME}`, `PATH=${PATH}`, variables, ...ours.split(' ')], { cwd: places.cwd });
    await expectBackup(places);
  });
});

test('TypeScript excerpts compile strictly', { timeout: 60_000 }, async () => {
  const project = tempDir('excerpts');
  fs.symlinkSync(path.join(root, 'node_modules'), path.join(project, 'node_modules'));
  fs.writeFileSync(path.join(project, 'package.json'), '{ "type": "module" }');
  const { compilerOptions } = JSON.parse(fs.readFileSync(path.join(root, 'tsconfig.base.json'), 'utf8'));
  Object.assign(compilerOptions, {
    declaration: false,
    noUnusedLocals: false,
    declarationMap: false,
    composite: false,
    rootDir: '.',
    outDir: 'out',
  });
  fs.writeFileSync(path.join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  for (const [index, [block, before]] of Object.entries(TYPESCRIPT).entries())
    fs.writeFileSync(path.join(project, `excerpt-${index}.ts`), `${before}\n${textOf(block)}\nexport {};\n`);
  await runOk(path.join(binaries, 'tsc'), ['-p', project]);
  const compressing = Object.keys(TYPESCRIPT).findIndex((block) => block.startsWith('packages/compress'));
  await runOk(process.execPath, [path.join(project, `out/excerpt-${compressing}.js`)]);
});

test('whatever the documents install or start with npx is of this repository', () => {
  const names = fs
    .readdirSync(path.join(root, 'packages'))
    .map((name) => JSON.parse(fs.readFileSync(path.join(root, 'packages', name, 'package.json'), 'utf8')))
    .filter((manifest) => manifest.private !== true)
    .flatMap(({ name, bin = {} }): string[] => [name, ...Object.keys(bin)]);
  const mentioned = documents.flatMap((document) =>
    [
      ...inlineCodeOf(document).map(({ text }) => text),
      ...blocksOf(document).flatMap(({ content }) => content),
    ].flatMap((text) =>
      [...text.matchAll(/\bnpm (?:i|install) ([^#;&|]*)|\bnpx (\S+)/g)].flatMap(([, some = '', one]) =>
        [...some.split(/\s+/), ...(one === undefined ? [] : [one])].map((name) => ({ document: document.path, name })),
      ),
    ),
  );
  expect(mentioned.length).toBeGreaterThan(5);
  const others = mentioned.filter(
    // What `npm ci` brings for contributors, and options, archives and places on the reader's disk.
    ({ name }) => name !== '' && !/^[-~./]|\.tgz$/.test(name) && ![...names, 'vitest'].includes(name),
  );
  expect(others).toEqual([]);
});
