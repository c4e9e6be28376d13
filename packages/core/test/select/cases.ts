/** Random trees and random lists of rules about them, and what redup selects. */

import { statSync } from 'node:fs';
import { directory, fifo, file, fromText, symlink, type TreeModel, type TreeNode, updateTree } from '@redup/testkit';
import fc from 'fast-check';
import { canonicalSource } from '../../src/commands/source.js';
import { compileSelection, PatternError, questionsAbout, type SelectionRule, walk } from '../../src/tree/index.js';

export interface Case {
  /** Paths relative to the working directory; everything lies in `src`. */
  readonly tree: TreeModel;
  /** As a user types it; `CWD` stands for the working directory. */
  readonly root: string;
  readonly rules: readonly (readonly [option: string, value: string | number | null])[];
  readonly nullSeparator: boolean;
}

export type Syntax = 'classic' | 'current';

/**
 * The parent of the source must not look like the source: where both have the same mode, owner and mtime, release 3 takes the
 * source for the root of the file system, and `--files-from` finds nothing.
 */
const PARENT = directory({ mtime: 1_600_000_001 });

/** The letters of names: few, so that patterns meet them. */
const NAMES = [
  'a',
  'b',
  'ab',
  'A',
  'a.b',
  'c d',
  ' e',
  'nobackup',
  'x]',
  '[',
  'é',
  'É',
  'SS',
  'n\nl',
  'end\n',
  '#h',
  '+ p',
  "q'",
  '😀',
  '-',
  '\\',
  '^',
  '!',
];
const BYTES = ['\xff', 'a\xfe'];

export function caseArbitrary(syntax: Syntax): fc.Arbitrary<Case> {
  return treeArbitrary().chain((tree) => {
    const paths = [...tree.keys()].filter((path) => path !== '' && path !== 'src');
    return (
      fc
        .record({
          root: fc.constantFrom('src', './src', 'src/', 'CWD/src', '.', 'CWD'),
          rules: fc.array(rulesArbitrary(paths, syntax), { minLength: 1, maxLength: 5 }).map((each) => each.flat()),
          last: fc.option(fc.constantFrom('**', '**', '**', 'src/**', 'src/*/*', 'src/a', '*'), { freq: 4 }),
          nullSeparator: fc.boolean(),
        })
        .map(
          ({ root, rules, last, nullSeparator }) =>
            ({
              tree,
              root,
              nullSeparator,
              rules: [...rules, ...(last === null ? [] : [['--exclude', last] as const])].map(([option, value]) => [
                option,
                typeof value === 'string' ? respell(option, value, root, nullSeparator) : value,
              ]),
            }) as Case,
        )
        // Release 0.8 compares the source itself with regard to case even then; temporary folders have capitals.
        .filter(
          (each) =>
            syntax === 'current' || !each.root.startsWith('CWD') || !/ignorecase:/i.test(JSON.stringify(each.rules)),
        )
    );
  });
}

/** Patterns are made for the root `src`; another spelling of the root needs another of the patterns. */
function respell(option: string, value: string, root: string, nullSeparator: boolean): string {
  if (option === '--exclude-if-present') return value;
  const lines = option.includes('filelist') || option === '--files-from' ? value.split('\n\n') : [value];
  const isRoot = (text: string): boolean => /^(ignorecase:)?src(\/|$)/i.test(text);
  const spelled = lines.map((line) => {
    const [, marker = '', text = ''] = /^([+-] )?(.*)$/s.exec(line) ?? [];
    if (option === '--files-from') return root === '.' || root === 'CWD' ? text : text.replace(/^src\/?/, '');
    const place =
      { src: 'src', './src': 'src', 'src/': 'src', 'CWD/src': 'CWD/src', '.': './src', CWD: 'CWD/src' }[root] ?? 'src';
    return marker + (isRoot(text) ? text.replace(/src/i, place) : text);
  });
  return spelled.join(nullSeparator ? '\0' : '\n');
}

function treeArbitrary(): fc.Arbitrary<TreeModel> {
  const name = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.constantFrom(...NAMES.map(fromText)),
    },
    { weight: 1, arbitrary: fc.constantFrom(...BYTES) },
  );
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'));
  const mtime = fc.constantFrom(1_000_000_000, 1_500_000_000);
  const node = fc.oneof(
    { weight: 5, arbitrary: mtime.map((time) => file('x', { mtime: time })) },
    { weight: 2, arbitrary: fc.constant(directory()) },
    { weight: 1, arbitrary: fc.constantFrom<TreeNode>(symlink('a'), symlink('.'), fifo()) },
  );
  return fc.array(fc.tuple(path, node), { minLength: 1, maxLength: 12 }).map((entries) => {
    const model = new Map<string, TreeNode>([
      ['', PARENT],
      ['src', directory()],
    ]);
    for (const [relative, each] of entries) {
      const parts = `src/${relative}`.split('/');
      const parents = parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
      if (
        model.has(parts.join('/')) ||
        parents.some((parent) => (model.get(parent)?.type ?? 'directory') !== 'directory')
      )
        continue;
      for (const parent of parents) if (!model.has(parent)) model.set(parent, directory());
      model.set(parts.join('/'), each);
    }
    return model;
  });
}

type Rule = readonly [option: string, value: string | number | null];

/** One rule, or a filter switch with rules that it concerns. */
function rulesArbitrary(paths: readonly string[], syntax: Syntax): fc.Arbitrary<readonly Rule[]> {
  const glob = globArbitrary(paths);
  const action = fc.constantFrom('include', 'exclude');
  const line = fc.tuple(
    fc.constantFrom('', '', '+ ', '- '),
    fc.oneof(
      glob,
      glob.map((text) => `"${text}"`),
      glob.map((text) => `'${text}'`),
    ),
  );
  // Joined by two newlines here; `respell` puts the separator of the case.
  const content = fc
    .array(
      fc.oneof(
        { weight: 5, arbitrary: line.map(([marker, text]) => marker + text) },
        { weight: 1, arbitrary: fc.constantFrom('', '# no', '   ') },
      ),
      { minLength: 1, maxLength: 5 },
    )
    .map((lines) => lines.join('\n\n'));
  const common = [
    { weight: 8, arbitrary: fc.tuple(action, glob).map(([each, text]): Rule => [`--${each}`, text]) },
    { weight: 3, arbitrary: fc.tuple(action, content).map(([each, text]): Rule => [`--${each}-filelist`, text]) },
    {
      weight: 2,
      arbitrary: fc.tuple(action, regexpArbitrary(paths)).map(([each, text]): Rule => [`--${each}-regexp`, text]),
    },
    { weight: 1, arbitrary: fc.constantFrom('nobackup', 'a', 'é').map((text): Rule => ['--exclude-if-present', text]) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(1_200_000_000, 1_700_000_000).map((time): Rule => ['--exclude-older-than', time]),
    },
    {
      weight: 1,
      arbitrary: fc
        .constantFrom('--exclude-device-files', '--exclude-other-filesystems')
        .map((option): Rule => [option, null]),
    },
  ];
  const one = fc.oneof(...common);
  const single = one.map((rule): readonly Rule[] => [rule]);
  if (syntax === 'classic') return single;
  const given = (text: fc.Arbitrary<string>): fc.Arbitrary<Rule> =>
    fc.tuple(action, text).map(([each, value]): Rule => [`--${each}`, value]);
  // Back to shell patterns almost always: what follows is one, and an error in the other modes.
  const back = fc.constantFrom<readonly Rule[]>(...Array<Rule[]>(9).fill([['--filter-globbing', null]]), []);
  const stay = fc.constantFrom<readonly Rule[]>([], [['--filter-strictcase', null]]);
  const switched = (mode: string, rule: fc.Arbitrary<Rule>, after = stay): fc.Arbitrary<readonly Rule[]> =>
    fc
      .tuple(fc.array(rule, { minLength: 1, maxLength: 2 }), after, one)
      .map(([rules, next, last]) => [
        [`--filter-${mode}`, null],
        ...rules,
        ...next,
        ...(next.length === 0 ? [] : [last]),
      ]);
  // Listed paths that do not exist are emitted as absent, and their scanned parents with them: not a matter of a selection.
  const existing = textOf(paths).filter((path) => !path.includes('\n'));
  const listed = fc
    .array(fc.constantFrom(...existing, 'src'), { minLength: 1, maxLength: 6 })
    .map((lines): readonly Rule[] => [['--files-from', lines.join('\n\n')]]);
  const literals = fc
    .tuple(fc.constantFrom(...textOf(paths), 'src/a'), fc.constantFrom('', '', '/'))
    .map(([path, tail]) => path + tail);
  return fc.oneof(
    { weight: 24, arbitrary: single },
    { weight: 4, arbitrary: switched('literal', given(literals), back) },
    { weight: 4, arbitrary: switched('regexp', given(regexpArbitrary(paths)), back) },
    { weight: 4, arbitrary: switched('ignorecase', one) },
    { weight: 1, arbitrary: switched('globbing', one) },
    { weight: 1, arbitrary: switched('strictcase', one) },
    { weight: 2, arbitrary: listed },
  );
}

/** A path of the tree (or part of one) with some of it replaced by wildcards. */
function globArbitrary(paths: readonly string[]): fc.Arbitrary<string> {
  const known = fc.constantFrom('src', ...textOf(paths));
  const component = fc.constantFrom(
    '*',
    '**',
    '?',
    '[ab]',
    '[!a]',
    '[^b]',
    'a*',
    '*b',
    '[a-c]*',
    '??',
    '[]x]',
    '[',
    '[!',
    '***',
    'a**',
    '**b',
    'é',
    '\\',
  );
  return fc
    .tuple(
      known,
      // The first part is the source: a pattern that does not begin with it ends in an error, of which a few are enough.
      fc.array(fc.tuple(fc.nat(20), component), { maxLength: 2 }),
      fc.constantFrom(0, 0, 0, 0, 0, 0, 1, 2, 2, 3, 3, 4),
      fc.constantFrom('', '', '', '', '', '/', '/**', '/*'),
      fc.constantFrom('', '', '', '', 'ignorecase:', 'IgnoreCase:'),
      fc.constantFrom('path', 'path', 'path', 'path', 'path', 'path', 'deep', 'deep', 'upper', 'upper', 'all'),
    )
    .map(([path, replaced, cut, tail, prefix, form]) => {
      const parts = path.split('/');
      for (const [at, text] of replaced) {
        const index = at === 0 ? 0 : 1 + (at % 4);
        if (index < parts.length) parts[index] = text;
      }
      if (cut > 0) parts.length = Math.min(parts.length, cut);
      const text = (form === 'deep' ? `**/${parts.at(-1)}` : form === 'all' ? '**' : parts.join('/')) + tail;
      return prefix + (form === 'upper' && prefix !== '' ? text.toUpperCase() : text);
    });
}

function regexpArbitrary(paths: readonly string[]): fc.Arbitrary<string> {
  const quoted = textOf(paths).map((path) => path.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return fc.oneof(
    fc.constantFrom(
      'a$',
      '^src/a',
      '/b',
      '[ab]/',
      '\\w\\.b$',
      '(?i)A$',
      '[^a]b',
      'a|é',
      '.',
      '\\n',
      '^src/[a-b]+$',
      'src/(?!a)',
      '(a|b)/\\1',
      'a{2}',
      'x{,1}]',
      '\\bnob',
      '(?P<n>a)/(?P=n)',
      '[\\w ]+$',
      '\\Aa',
      'd\\Z',
      '\\-',
      '\\#h',
    ),
    fc.constantFrom(...quoted, 'a'),
  );
}

/** Only what is text: options are. */
function textOf(paths: readonly string[]): string[] {
  return paths.map((path) => Buffer.from(path, 'latin1').toString('utf8')).filter((path) => !path.includes('\ufffd'));
}

export function writeCase({ tree }: Case, cwd: string): void {
  updateTree(cwd, new Map(), tree);
}

/** Byte-string paths in order, or the code that duplicity has for the problem. */
export function selectedBy({ root, rules, nullSeparator }: Case, cwd: string): { paths: string[] } | { code: number } {
  const source = root.replace('CWD', cwd);
  const place = source.startsWith('/') ? source : `${cwd}/${source}`;
  try {
    const select = compileSelection(
      rules.map(([option, value]) => toRule(option, typeof value === 'string' ? value.replaceAll('CWD', cwd) : value)),
      {
        root: canonicalSource(source),
        questions: questionsAbout(fromText(place), statSync),
        separator: nullSeparator ? 'nul' : 'newline',
      },
    );
    const paths: string[] = [];
    for (const item of walk({ root: fromText(place), select })) if (item.type !== 'unreadable') paths.push(item.path);
    return { paths };
  } catch (error) {
    if (error instanceof PatternError) return { code: CODES[error.problem] };
    throw error;
  }
}

const CODES: Readonly<Record<PatternError['problem'], number>> = {
  'outside-root': 14,
  'bad-glob': 15,
  'bad-regexp': 15,
  'last-includes': 16,
  'redundant-filter': 70,
  'trailing-filter': 71,
  'absolute-path': 72,
  'empty-list': 73,
};

export function toRule(option: string, value: string | number | null): SelectionRule {
  const text = `${value ?? ''}`;
  const action = option.startsWith('--include') ? 'include' : 'exclude';
  if (option.endsWith('filelist')) return { kind: 'filelist', action, content: text, name: 'list' };
  if (option.endsWith('-regexp') && !option.startsWith('--filter')) return { kind: 'regexp', action, pattern: text };
  switch (option) {
    case '--include':
    case '--exclude':
      return { kind: 'pattern', action, pattern: text };
    case '--exclude-if-present':
      return { kind: option.slice(2) as 'exclude-if-present', name: text };
    case '--exclude-older-than':
      return { kind: 'exclude-older-than', time: Number(value) };
    case '--exclude-device-files':
      return { kind: 'exclude-device-files' };
    case '--exclude-other-filesystems':
      return { kind: 'exclude-other-filesystems' };
    case '--files-from':
      return { kind: 'files-from', content: text, name: 'list' };
    case '--filter-ignorecase':
    case '--filter-strictcase':
      return { kind: 'filter-case', ignoreCase: option === '--filter-ignorecase' };
    case '--filter-globbing':
    case '--filter-literal':
    case '--filter-regexp':
      return { kind: 'filter', mode: option.slice('--filter-'.length) as 'globbing' | 'literal' | 'regexp' };
    default:
      throw new Error(`no rule for ${option}`);
  }
}
