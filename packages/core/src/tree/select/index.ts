/**
 * The selection language of `--include`, `--exclude` and their like (FORMAT.md §13): an ordered list of rules → a
 * {@link Selection}. Pure: what must be asked of the file system comes in as functions.
 */

import { type ByteString, type Path, toLosslessText } from '../../archive/index.js';
import type { Selection, Verdict } from '../walk.js';
import {
  type Candidate,
  type Condition,
  deviceFilesCondition,
  type FileSystemQuestions,
  ifPresentCondition,
  olderThanCondition,
  otherFilesystemsCondition,
  type PatternOptions,
  patternCondition,
  regexpCondition,
} from './conditions.js';
import { type ListOptions, parseFilelist, parsePathList } from './filelist.js';
import { type Action, PatternError, type SelectionRule } from './rules.js';

export type { FileSystemQuestions } from './conditions.js';
export { questionsAbout } from './disk.js';
export { type Action, PatternError, type PatternMode, type PatternProblem, type SelectionRule } from './rules.js';

export interface SelectionOptions {
  /**
   * The source as its user spells it, made canonical (`canonicalSource`): patterns begin with it. Left out for an archive:
   * patterns are paths as `list-current-files` prints them.
   */
  readonly root?: ByteString;
  /** Rules that ask the file system need it. */
  readonly questions?: FileSystemQuestions;
  /** What separates the entries of file lists; default `newline`. */
  readonly separator?: ListOptions['separator'];
}

/**
 * Rules in the order of the command line. The first that includes or excludes an entry decides; none: it is included.
 * @throws PatternError
 */
export function compileSelection(rules: readonly SelectionRule[], options: SelectionOptions): Selection {
  const compiler = new Compiler(options);
  checkFilters(rules);
  for (const rule of rules) compiler.add(rule);
  return compiler.finish();
}

class Compiler {
  readonly #options: SelectionOptions;
  /** Undefined in an archive. */
  readonly #rootName: string | undefined;
  readonly #conditions: Condition[] = [];
  #pattern: PatternOptions = { mode: 'globbing', ignoreCase: false };
  #paths: ReadonlySet<string> | undefined;

  constructor(options: SelectionOptions) {
    this.#options = options;
    this.#rootName = options.root === undefined ? undefined : toLosslessText(options.root);
  }

  add(rule: SelectionRule): void {
    const { questions = NOTHING_TO_ASK, separator = 'newline' } = this.#options;
    switch (rule.kind) {
      case 'filter':
        this.#pattern = { ...this.#pattern, mode: rule.mode };
        return;
      case 'filter-case':
        this.#pattern = { ...this.#pattern, ignoreCase: rule.ignoreCase };
        return;
      case 'pattern':
        this.#addPattern(rule.action, rule.pattern);
        return;
      case 'filelist':
        for (const { action, pattern } of parseFilelist(rule.content, rule.action, { separator })) {
          this.#addPattern(action, pattern);
        }
        return;
      case 'regexp':
        this.#conditions.push(regexpCondition(rule.action, rule.pattern, this.#pattern.ignoreCase));
        return;
      case 'files-from':
        this.#paths = parsePathList(rule.content, rule.name, { separator });
        return;
      // These two go to the front, wherever they are given: what they exclude no other rule can bring back.
      case 'exclude-if-present':
        this.#conditions.unshift(ifPresentCondition(rule.name, questions));
        return;
      case 'exclude-device-files':
        this.#conditions.unshift(deviceFilesCondition());
        return;
      case 'exclude-other-filesystems':
        this.#conditions.push(otherFilesystemsCondition(questions));
        return;
      case 'exclude-older-than':
        this.#conditions.push(olderThanCondition(rule.time));
    }
  }

  finish(): Selection {
    const conditions = this.#conditions;
    if (conditions.at(-1)?.action === 'include') throw lastIncludes();
    const root = this.#rootName;
    const prefix = root === undefined || root.endsWith('/') ? (root ?? '') : `${root}/`;
    const paths = this.#paths;
    return (entry) => {
      const text = toLosslessText(entry.path);
      if (paths !== undefined && entry.path !== '' && !paths.has(text)) return 'exclude';
      return judge(conditions, { name: entry.path === '' ? (root ?? '') : prefix + text, entry });
    };
  }

  #addPattern(action: Action, pattern: string): void {
    this.#conditions.push(patternCondition(action, pattern, this.#pattern));
    if (this.#pattern.mode === 'regexp') return;
    if (this.#rootName === undefined) {
      checkArchivePattern(pattern);
      return;
    }
    // A pattern that says nothing about the source itself, were it an include, can match nothing below it.
    const root: Candidate = {
      name: this.#rootName,
      entry: { type: 'directory', mtime: 0, device: 0, path: '' as Path },
    };
    if (patternCondition('include', pattern, this.#pattern).judge(root) === undefined)
      throw outsideRoot(pattern, this.#rootName);
  }
}

function judge(conditions: readonly Condition[], candidate: Candidate): Verdict {
  let scan = false;
  for (const condition of conditions) {
    const opinion = condition.judge(candidate);
    if (opinion === undefined) continue;
    if (opinion === 'scan') {
      scan = true;
      continue;
    }
    return opinion === 'exclude' && scan ? 'scan' : opinion;
  }
  return scan ? 'scan' : 'include';
}

/** Switches that change nothing are mistakes, as duplicity has it. */
function checkFilters(rules: readonly SelectionRule[]): void {
  const isFilter = (rule: SelectionRule | undefined): boolean =>
    rule?.kind === 'filter' || rule?.kind === 'filter-case';
  const filters = rules.filter(isFilter);
  if (filters.length === 0) return;
  if (isFilter(rules.at(-1))) {
    throw new PatternError('trailing-filter', 'A filter option is the last selection option and changes nothing', {
      hint: 'It holds for the options that follow it: put it in front of them.',
    });
  }
  const isDefault = (rule: SelectionRule): boolean =>
    (rule.kind === 'filter' && rule.mode === 'globbing') || (rule.kind === 'filter-case' && !rule.ignoreCase);
  if (filters.every(isDefault)) {
    throw new PatternError('redundant-filter', 'The filter options ask for nothing but the default', {
      hint: 'Leave --filter-globbing and --filter-strictcase out.',
    });
  }
}

const NOTHING_TO_ASK: FileSystemQuestions = { contains: () => false, rootDevice: () => 0 };

function checkArchivePattern(pattern: string): void {
  const parts = pattern
    .replace(/^ignorecase:/i, '')
    .replace(/^\.\//, '')
    .split('/');
  if (!parts.includes('.') && !parts.includes('..') && parts[0] !== '') return;
  throw new PatternError('outside-root', `The pattern ${pattern} can match nothing in a backup`, {
    subject: pattern,
    hint: 'On a restore patterns are relative to the source, as list-current-files prints paths: no / in front, no "..".',
  });
}

function lastIncludes(): PatternError {
  return new PatternError(
    'last-includes',
    'The last selection rule only includes files, which is what happens to them anyway',
    {
      hint: "Probably what you mean needs --exclude '**' at the end.",
    },
  );
}

function outsideRoot(pattern: string, root: string): PatternError {
  return new PatternError('outside-root', `The pattern ${pattern} can match nothing in ${root}`, {
    subject: pattern,
    hint: `Patterns begin with the source as you name it (${root}/…), or with ** to match anywhere.`,
  });
}
