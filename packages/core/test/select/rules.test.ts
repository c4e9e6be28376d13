/** Each rule of duplicity's manual page about file selection, one test each. Random combinations are in peers.test.ts. */

import { describe, expect, it } from 'vitest';
import { asPath, fromText } from '../../src/archive/index.js';
import {
  compileSelection,
  type FileSystemQuestions,
  PatternError,
  type SelectionRule,
  type TreeEntry,
} from '../../src/tree/index.js';

const NOTHING: FileSystemQuestions = { contains: () => false, rootDevice: () => 1 };

function entry(text: string, facts: Partial<TreeEntry> = {}): TreeEntry {
  const type = facts.type ?? (text.endsWith('/') ? 'directory' : 'file');
  const path = asPath(fromText(text.replace(/\/$/, '')));
  return {
    path,
    type,
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: 1,
    statSize: 1,
    mtime: 1_600_000_000,
    mtimeUs: 0,
    ctimeUs: 0,
    inode: 1,
    device: 1,
    linkName: '',
    deviceMajor: 0,
    deviceMinor: 0,
    ...facts,
  };
}

interface Setting {
  readonly root?: string;
  readonly questions?: FileSystemQuestions;
  readonly separator?: 'newline' | 'nul';
}

/** The verdicts on some paths; a slash at the end makes a directory. */
function verdicts(
  rules: readonly SelectionRule[],
  paths: readonly (string | TreeEntry)[],
  setting: Setting = {},
): string[] {
  const { root = '/src', questions = NOTHING, separator } = setting;
  const select = compileSelection(rules, { root, questions, ...(separator === undefined ? {} : { separator }) });
  return paths.map((path) => select(typeof path === 'string' ? entry(path) : path));
}

function problemOf(rules: readonly SelectionRule[], setting: Setting = {}): string {
  try {
    verdicts(rules, [], setting);
  } catch (error) {
    if (error instanceof PatternError) return error.problem;
  }
  return 'none';
}

const include = (pattern: string): SelectionRule => ({ kind: 'pattern', action: 'include', pattern });
const exclude = (pattern: string): SelectionRule => ({ kind: 'pattern', action: 'exclude', pattern });
const list = (action: 'include' | 'exclude', content: string): SelectionRule => ({
  kind: 'filelist',
  action,
  content,
  name: 'l',
});
const ALL_OUT = exclude('**');

describe('the order of rules', () => {
  it('lets everything in without any', () => {
    expect(verdicts([], ['a', 'b/'])).toEqual(['include', 'include']);
  });

  it('lets the first that includes or excludes decide', () => {
    expect(verdicts([include('/src/a'), exclude('/src/a'), exclude('/src/b')], ['a', 'b'])).toEqual([
      'include',
      'exclude',
    ]);
    expect(verdicts([exclude('/src/a'), include('/src/a'), ALL_OUT], ['a'])).toEqual(['exclude']);
  });

  it('refuses a last rule that can only include', () => {
    expect(problemOf([include('/src/a')])).toBe('last-includes');
    expect(problemOf([list('exclude', '- /src/b\n+ /src/a')])).toBe('last-includes');
    expect(problemOf([include('/src/a'), { kind: 'exclude-device-files' }])).toBe('last-includes');
  });
});

describe('a shell pattern', () => {
  it('covers the contents of a directory that it matches', () => {
    expect(verdicts([exclude('/src/d')], ['d/', 'd/x', 'd/x/y', 'dd'])).toEqual([
      'exclude',
      'exclude',
      'exclude',
      'include',
    ]);
  });

  it('looks into the directories that lead to something included', () => {
    expect(verdicts([include('/src/a/b/c'), ALL_OUT], ['a/', 'a/b/', 'a/b/c', 'a/x', 'z/'])).toEqual([
      'scan',
      'scan',
      'include',
      'exclude',
      'exclude',
    ]);
  });

  it('looks into everything below a ** in an include', () => {
    expect(verdicts([include('/src/**/x'), ALL_OUT], ['a/', 'a/b/', 'a/b/x', 'x/'])).toEqual([
      'scan',
      'scan',
      'include',
      'scan',
    ]);
  });

  it('does not let * and ? cross a slash, but **', () => {
    expect(verdicts([exclude('/src/a*c')], ['abc', 'a/c'])).toEqual(['exclude', 'include']);
    expect(verdicts([exclude('/src/a?c')], ['abc', 'a/c', 'ac'])).toEqual(['exclude', 'include', 'include']);
    expect(verdicts([exclude('/src/a**c')], ['abc', 'a/c', 'a/b/c'])).toEqual(['exclude', 'exclude', 'exclude']);
  });

  it('knows classes, ranges and both ways to negate', () => {
    expect(verdicts([exclude('/src/[a-cx]')], ['a', 'c', 'x', 'd'])).toEqual([
      'exclude',
      'exclude',
      'exclude',
      'include',
    ]);
    expect(verdicts([exclude('/src/[!a]')], ['a', 'b'])).toEqual(['include', 'exclude']);
    expect(verdicts([exclude('/src/[^a]')], ['a', 'b'])).toEqual(['include', 'exclude']);
    expect(verdicts([exclude('/src/[]-]')], [']', '-', 'a'])).toEqual(['exclude', 'exclude', 'include']);
  });

  it('takes a bracket that is not closed, and a backslash, for themselves', () => {
    expect(verdicts([exclude('/src/[a')], ['[a', 'a'])).toEqual(['exclude', 'include']);
    expect(verdicts([exclude('/src/\\*')], ['\\x', '*'])).toEqual(['exclude', 'include']);
    expect(verdicts([exclude('/src/[*]')], ['*', 'a'])).toEqual(['exclude', 'include']);
  });

  it('refuses a range that runs backwards', () => {
    expect(problemOf([exclude('/src/[z-a]')])).toBe('bad-glob');
  });

  it('lets a class match a slash, as duplicity does', () => {
    expect(verdicts([exclude('/src/a[!x]b')], ['a/b'])).toEqual(['exclude']);
  });

  it('means directories alone when it ends in a slash', () => {
    expect(verdicts([exclude('/src/d/')], ['d', 'd/', 'd/x'])).toEqual(['include', 'exclude', 'exclude']);
  });

  it('takes a character for one whatever its bytes, an invalid byte too', () => {
    const raw = { ...entry('x'), path: asPath('\xff') };
    expect(verdicts([exclude('/src/?')], ['é', '😀', raw, 'ab'])).toEqual(['exclude', 'exclude', 'exclude', 'include']);
  });

  it('begins with the source as it is spelled', () => {
    expect(verdicts([exclude('src/a')], ['a'], { root: 'src' })).toEqual(['exclude']);
    expect(verdicts([exclude('./a')], ['a'], { root: '.' })).toEqual(['exclude']);
    expect(verdicts([exclude('/a')], ['a'], { root: '/' })).toEqual(['exclude']);
    expect(problemOf([exclude('src/a')])).toBe('outside-root');
    expect(problemOf([exclude('/srcs')])).toBe('outside-root');
    expect(problemOf([exclude('a')], { root: '.' })).toBe('outside-root');
  });

  it('has no empty parts', () => {
    expect(problemOf([exclude('/src//a')])).toBe('bad-glob');
  });

  it('matches everything as / when the source is absolute', () => {
    expect(verdicts([exclude('/')], ['a', 'b/c'])).toEqual(['exclude', 'exclude']);
  });

  it('disregards case after ignorecase:, itself in any case', () => {
    expect(verdicts([exclude('ignorecase:/SRC/aé')], ['Aé', 'AÉ', 'b'])).toEqual(['exclude', 'exclude', 'include']);
    expect(verdicts([exclude('IgnoreCase:/src/A')], ['a'])).toEqual(['exclude']);
    expect(verdicts([exclude('ignorecase:/src/straße')], ['STRASSE', 'Straße'])).toEqual(['exclude', 'exclude']);
  });
});

describe('a regular expression', () => {
  const regexp = (action: 'include' | 'exclude', pattern: string): SelectionRule => ({
    kind: 'regexp',
    action,
    pattern,
  });

  it('is looked for anywhere in the whole name', () => {
    expect(verdicts([regexp('exclude', 'b')], ['abc', 'x/b', 'x'])).toEqual(['exclude', 'exclude', 'include']);
    expect(verdicts([regexp('exclude', '^/src/a$')], ['a', 'ab'])).toEqual(['exclude', 'include']);
  });

  it('does not open the directories above what it includes', () => {
    expect(verdicts([regexp('include', 'x$'), ALL_OUT], ['a/', 'a/x'])).toEqual(['exclude', 'include']);
  });

  it('is read in the dialect of Python', () => {
    const excludes = (pattern: string, path: string): boolean =>
      verdicts([regexp('exclude', pattern)], [path])[0] === 'exclude';
    expect(excludes('(?i)ABC', 'abc')).toBe(true);
    expect(excludes('(?P<x>a)/(?P=x)$', 'a/a')).toBe(true);
    expect(excludes('\\bfoo\\b', 'é foo')).toBe(true);
    expect(excludes('\\bfoo\\b', 'éfoo')).toBe(false);
    expect(excludes('^/src/\\w+$', 'größe')).toBe(true);
    expect(excludes('a$', 'a\n')).toBe(true);
    expect(excludes('a\\Z', 'a\n')).toBe(false);
    expect(excludes('a.b', 'a\nb')).toBe(false);
    expect(excludes('(?s)a.b', 'a\nb')).toBe(true);
    expect(excludes('a\\-b\\ c\\#', 'a-b c#')).toBe(true);
    expect(excludes('[\\d.-]{2}$', 'x1-')).toBe(true);
    expect(excludes('a{,2}b]', 'aab]')).toBe(true);
  });

  it('that is none is refused', () => {
    for (const pattern of ['(', '*a', '[a', 'a\\', '(?x)a', 'a++'])
      expect(problemOf([regexp('exclude', pattern)])).toBe('bad-regexp');
  });
});

describe('a file list', () => {
  it('has one pattern a line, blanks around it and comments left out', () => {
    const rules = [list('exclude', '  /src/a  \n\n# /src/b\n/src/c\r\n')];
    expect(verdicts(rules, ['a', 'b', 'c'])).toEqual(['exclude', 'include', 'exclude']);
  });

  it('lets + and - with one blank behind decide for a line', () => {
    expect(verdicts([list('exclude', '+ /src/a\n- /src/b\n/src/**')], ['a', 'b', 'c'])).toEqual([
      'include',
      'exclude',
      'exclude',
    ]);
    expect(problemOf([list('exclude', '+/src/a')])).toBe('outside-root');
  });

  it('keeps the blanks of a pattern in quotes', () => {
    expect(verdicts([list('exclude', '"/src/ a "\n\'/src/b\'')], [' a ', 'b', ' a'])).toEqual([
      'exclude',
      'exclude',
      'include',
    ]);
  });

  it('is cut at NUL when asked for', () => {
    const rules = [list('exclude', '/src/a\nb\0/src/c')];
    expect(verdicts(rules, ['a\nb', 'c', 'a'], { separator: 'nul' })).toEqual(['exclude', 'exclude', 'include']);
  });

  it('stands among the other rules where it was given', () => {
    expect(verdicts([include('/src/a'), list('exclude', '/src/**')], ['a', 'b'])).toEqual(['include', 'exclude']);
  });
});

describe('other conditions', () => {
  const marked: FileSystemQuestions = {
    contains: (directory, name) => directory === 'd' && name === '.nobackup',
    rootDevice: () => 1,
  };

  it('exclude a directory that holds a certain file, before all other rules', () => {
    const rules: SelectionRule[] = [include('/src/d'), { kind: 'exclude-if-present', name: '.nobackup' }, ALL_OUT];
    expect(verdicts(rules, ['d/', 'd'], { questions: marked })).toEqual(['exclude', 'include']);
  });

  it('exclude devices, before all other rules', () => {
    const rules: SelectionRule[] = [include('**'), { kind: 'exclude-device-files' }, ALL_OUT];
    const devices = [entry('c', { type: 'character-device' }), entry('b', { type: 'block-device' })];
    expect(verdicts(rules, [...devices, entry('f', { type: 'fifo' })])).toEqual(['exclude', 'exclude', 'include']);
  });

  it('exclude other file systems, at their place in the list', () => {
    const other = entry('m/', { device: 2 });
    expect(verdicts([{ kind: 'exclude-other-filesystems' }], [other, 'a'])).toEqual(['exclude', 'include']);
    expect(verdicts([include('/src/m'), { kind: 'exclude-other-filesystems' }], [other])).toEqual(['include']);
  });

  it('exclude regular files that are older than a time', () => {
    const rules: SelectionRule[] = [{ kind: 'exclude-older-than', time: 1000 }];
    expect(
      verdicts(rules, [entry('a', { mtime: 999 }), entry('b', { mtime: 1000 }), entry('d/', { mtime: 1 })]),
    ).toEqual(['exclude', 'include', 'include']);
  });
});

describe('filter options', () => {
  const filter = (mode: 'globbing' | 'literal' | 'regexp'): SelectionRule => ({ kind: 'filter', mode });
  const ignoreCase: SelectionRule = { kind: 'filter-case', ignoreCase: true };

  it('make plain paths of the patterns that follow, and of those alone', () => {
    expect(
      verdicts([filter('literal'), exclude('/src/*'), filter('globbing'), exclude('/src/a*')], ['*', '*/x', 'x', 'ab']),
    ).toEqual(['exclude', 'exclude', 'include', 'exclude']);
    expect(
      verdicts([filter('literal'), include('/src/a/b/'), filter('globbing'), ALL_OUT], ['a/', 'a/b', 'a/bc']),
    ).toEqual(['scan', 'include', 'exclude']);
  });

  it('make regular expressions of the patterns that follow, also of those in lists', () => {
    expect(verdicts([filter('regexp'), exclude('b$'), list('exclude', 'c$')], ['ab', 'ac', 'ba'])).toEqual([
      'exclude',
      'exclude',
      'include',
    ]);
  });

  it('switch case, also for regular expressions', () => {
    expect(
      verdicts([ignoreCase, exclude('/src/A'), { kind: 'regexp', action: 'exclude', pattern: 'B$' }], ['a', 'b', 'c']),
    ).toEqual(['exclude', 'exclude', 'include']);
  });

  it('that change nothing are refused', () => {
    expect(problemOf([filter('globbing'), ALL_OUT])).toBe('redundant-filter');
    expect(problemOf([ALL_OUT, filter('literal')])).toBe('trailing-filter');
    expect(problemOf([filter('globbing')])).toBe('trailing-filter');
  });
});

describe('files-from', () => {
  const from = (content: string): SelectionRule => ({ kind: 'files-from', content, name: 'l' });

  it('takes the paths listed and their parents, nothing else', () => {
    expect(verdicts([from('a/b\nd')], ['a/', 'a/b', 'a/c', 'd/', 'd/x', 'e'])).toEqual([
      'include',
      'include',
      'exclude',
      'include',
      'exclude',
      'exclude',
    ]);
  });

  it('is still subject to the other rules', () => {
    expect(verdicts([from('a\nb'), exclude('/src/b')], ['a', 'b', 'c'])).toEqual(['include', 'exclude', 'exclude']);
  });

  it('takes every character of a line as it is', () => {
    expect(verdicts([from(' a \n# b\n"c"')], [' a ', '# b', '"c"', 'a'])).toEqual([
      'include',
      'include',
      'include',
      'exclude',
    ]);
  });

  it('refuses absolute paths, paths that lead out, and an empty list', () => {
    expect(problemOf([from('/src/a')])).toBe('absolute-path');
    expect(problemOf([from('../a')])).toBe('outside-root');
    expect(problemOf([from('\n\n')])).toBe('empty-list');
  });
});

describe('rules for a restore', () => {
  it('have patterns relative to the backup, as lists print its paths', () => {
    const select = compileSelection(
      [
        { kind: 'pattern', action: 'include', pattern: 'd/new' },
        { kind: 'regexp', action: 'exclude', pattern: '^a$' },
        { kind: 'pattern', action: 'exclude', pattern: 'd' },
      ],
      {},
    );
    expect(select(entry('d/'))).toBe('scan');
    expect(select(entry('d/new'))).toBe('include');
    expect(select(entry('d/old'))).toBe('exclude');
    expect(select(entry('a'))).toBe('exclude');
    expect(select(entry('b'))).toBe('include');
  });

  it('are refused when they begin with a slash or lead out', () => {
    for (const pattern of ['/d', '.', 'd/../a', 'ignorecase:/d']) {
      const rules = [{ kind: 'pattern', action: 'exclude', pattern }] as const;
      expect(() => compileSelection(rules, {}), pattern).toThrow(PatternError);
    }
    expect(() => compileSelection([{ kind: 'pattern', action: 'exclude', pattern: './d' }], {})).not.toThrow();
  });
});
