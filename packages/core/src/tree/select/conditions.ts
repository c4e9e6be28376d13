/** One rule as a function of one entry. */

import type { Path } from '../../archive/index.js';
import type { TreeEntry } from '../entry.js';
import { casefold } from './casefold.js';
import { globSource, leadingParts } from './glob.js';
import { compileRegexp } from './regexp.js';
import { type Action, PatternError, type PatternMode } from './rules.js';

/** What a condition sees of an entry. */
export interface Candidate {
  /** The name that patterns match: the source as it is spelled, `/`, the path; as text. */
  readonly name: string;
  readonly entry: Pick<TreeEntry, 'type' | 'mtime' | 'device' | 'path'>;
}

/** `scan`: not this one, but something below it may be included. Undefined: nothing to say. */
export type Opinion = Action | 'scan' | undefined;

export interface Condition {
  /** Whether it can exclude anything: the last one must. */
  readonly action: Action;
  judge(candidate: Candidate): Opinion;
}

/** What conditions ask of the file system. */
export interface FileSystemQuestions {
  /** Whether a directory of the source holds an entry of that name. */
  contains(directory: Path, name: string): boolean;
  /** The device of the source. */
  rootDevice(): number;
}

export interface PatternOptions {
  readonly mode: PatternMode;
  readonly ignoreCase: boolean;
}

const IGNORE_CASE = /^ignorecase:/i;

/** @throws PatternError bad-glob, bad-regexp */
export function patternCondition(action: Action, pattern: string, { mode, ignoreCase }: PatternOptions): Condition {
  if (mode === 'regexp') return regexpCondition(action, pattern, ignoreCase);
  if (mode === 'literal') return literalCondition(action, pattern, ignoreCase);
  const prefixed = IGNORE_CASE.test(pattern);
  return globCondition(action, pattern.replace(IGNORE_CASE, ''), ignoreCase || prefixed);
}

export function regexpCondition(action: Action, pattern: string, ignoreCase: boolean): Condition {
  const regexp = compileRegexp(pattern, { ignoreCase });
  return { action, judge: ({ name }) => (regexp.test(name) ? action : undefined) };
}

function globCondition(action: Action, pattern: string, ignoreCase: boolean): Condition {
  if (/^.+\/\/|^\/\//.test(pattern)) {
    throw new PatternError('bad-glob', `The pattern ${pattern} has an empty part (//)`, {
      subject: pattern,
      hint: 'Write one slash.',
    });
  }
  const directoriesOnly = pattern.endsWith('/');
  const glob = directoriesOnly ? pattern.slice(0, -1) : pattern;
  const matches = globRegExp([glob], '(?:(?=\\n?$)|/)', ignoreCase);
  const scans = action === 'include' ? globRegExp(leadingParts(glob), '\\n?$', ignoreCase) : undefined;
  const judge = (candidate: Candidate): Opinion => {
    const name = ignoreCase ? withoutTurkishI(candidate.name) : candidate.name;
    const covered = matches.exec(name)?.[0];
    if (covered !== undefined) {
      const isExact = covered === name;
      return directoriesOnly && isExact && candidate.entry.type !== 'directory' ? undefined : action;
    }
    return scans?.test(name) === true ? 'scan' : undefined;
  };
  return { action, judge };
}

/**
 * Of several patterns, any. Without regard to case release 3 folds the pattern (ß becomes ss) and 0.8 lowers it, so that each
 * misses what the other finds: both forms are looked for.
 */
function globRegExp(globs: readonly string[], end: string, ignoreCase: boolean): RegExp {
  const forms = ignoreCase ? globs.flatMap((glob) => [...new Set([glob.toLowerCase(), casefold(glob)])]) : globs;
  const sources = forms.map((form) => globSource(ignoreCase ? withoutTurkishI(form) : form));
  return new RegExp(`^(?:${sources.join('|')})${end}`, ignoreCase ? 'iu' : 'u');
}

/** Python takes the letters i without and with dot for the same as i; JavaScript does not. */
function withoutTurkishI(text: string): string {
  return text.replace(/[\u0130\u0131]/g, 'i');
}

function literalCondition(action: Action, pattern: string, ignoreCase: boolean): Condition {
  const fold = ignoreCase ? casefold : (text: string): string => text;
  const literal = fold(pattern).replace(/(?<=.)\/$/s, '');
  const judge = (candidate: Candidate): Opinion => {
    const name = fold(candidate.name);
    if (isBelow(name, literal)) return action;
    return action === 'include' && isBelow(literal, name) ? 'scan' : undefined;
  };
  return { action, judge };
}

function isBelow(name: string, parent: string): boolean {
  if (name === parent) return true;
  return name.startsWith(parent.endsWith('/') ? parent : `${parent}/`);
}

export function ifPresentCondition(fileName: string, questions: FileSystemQuestions): Condition {
  const judge = ({ entry }: Candidate): Opinion =>
    entry.type === 'directory' && questions.contains(entry.path, fileName) ? 'exclude' : undefined;
  return { action: 'exclude', judge };
}

export function deviceFilesCondition(): Condition {
  const judge = ({ entry }: Candidate): Opinion =>
    entry.type === 'character-device' || entry.type === 'block-device' ? 'exclude' : undefined;
  return { action: 'exclude', judge };
}

export function otherFilesystemsCondition(questions: FileSystemQuestions): Condition {
  let device: number | undefined;
  const judge = ({ entry }: Candidate): Opinion => {
    device ??= questions.rootDevice();
    return entry.device === device ? undefined : 'exclude';
  };
  return { action: 'exclude', judge };
}

export function olderThanCondition(time: number): Condition {
  const judge = ({ entry }: Candidate): Opinion =>
    entry.type === 'file' && entry.mtime < time ? 'exclude' : undefined;
  return { action: 'exclude', judge };
}
