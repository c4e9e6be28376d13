/** The selection options, in their order, as the engine's rules. What they name is read here: lists, and the standard input. */

import { readFileSync } from 'node:fs';
import type { RuleArgument } from '../arguments/parse.js';
import { UsageError } from '../arguments/usage-error.js';
import {
  canonicalSource,
  compileSelection,
  fromText,
  parseTime,
  questionsAbout,
  type Selection,
  type SelectionRule,
} from '../engine.js';
import { type Session, timeContext } from './session.js';

/** Undefined when everything is wanted. */
export function selectionOf(session: Session, source: string): Selection | undefined {
  const { rules } = session.invocation;
  if (rules.length === 0) return undefined;
  return compileSelection(
    rules.map((rule) => toRule(rule, session)),
    {
      root: canonicalSource(source),
      questions: questionsAbout(fromText(source)),
      separator: session.values['null-separator'] === true ? 'nul' : 'newline',
    },
  );
}

const BAD_FILELIST = { exitCode: 7 };

/** Rules that ask for more than an archive tells. */
const NOT_FOR_ARCHIVES = ['exclude-if-present', 'exclude-other-filesystems', 'files-from'];

/** What of a backup to restore; as in release 3.2 patterns are relative to its root. Release 0.8 ignores them. @throws UsageError */
export function archiveSelectionOf(session: Session): Selection | undefined {
  const { rules } = session.invocation;
  if (rules.length === 0) return undefined;
  const unfit = rules.filter(({ option }) => NOT_FOR_ARCHIVES.includes(option)).map(({ option }) => `--${option}`);
  if (unfit.length > 0)
    throw new UsageError(
      `The following file selection options are not supported for restore: ${[...new Set(unfit)].join(', ')}`,
    );
  if (session.values['path-to-restore'] !== undefined) {
    throw new UsageError(
      '--path-to-restore cannot be combined with selection options on a restore',
      'Use --path-to-restore for one path, or --include and --exclude for several.',
    );
  }
  const separator = session.values['null-separator'] === true ? 'nul' : 'newline';
  return compileSelection(
    rules.map((rule) => toRule(rule, session)),
    { separator },
  );
}

function toRule({ option, value }: RuleArgument, { values }: Session): SelectionRule {
  switch (option) {
    case 'include':
    case 'exclude':
      return { kind: 'pattern', action: option, pattern: value };
    case 'include-regexp':
    case 'exclude-regexp':
      return { kind: 'regexp', action: option === 'include-regexp' ? 'include' : 'exclude', pattern: value };
    case 'include-filelist':
    case 'exclude-filelist': {
      const action = option === 'include-filelist' ? 'include' : 'exclude';
      return { kind: 'filelist', action, content: readList(value), name: value };
    }
    case 'include-filelist-stdin':
    case 'exclude-filelist-stdin': {
      const action = option === 'include-filelist-stdin' ? 'include' : 'exclude';
      return { kind: 'filelist', action, content: readList(0), name: 'standard input' };
    }
    case 'files-from':
      return { kind: 'files-from', content: readList(value), name: value };
    case 'exclude-if-present':
      return { kind: option, name: value };
    case 'exclude-older-than':
      return { kind: option, time: parseTime(value, timeContext(values)) };
    case 'exclude-device-files':
    case 'exclude-other-filesystems':
      return { kind: option };
    case 'filter-ignorecase':
    case 'filter-strictcase':
      return { kind: 'filter-case', ignoreCase: option === 'filter-ignorecase' };
    case 'filter-globbing':
      return { kind: 'filter', mode: 'globbing' };
    case 'filter-literal':
      return { kind: 'filter', mode: 'literal' };
    case 'filter-regexp':
      return { kind: 'filter', mode: 'regexp' };
  }
}

/** @throws UsageError naming the list that can't be read, or isn't UTF-8 */
function readList(place: string | number): string {
  const name = place === 0 ? 'the standard input' : `the file list ${place}`;
  let bytes: Buffer;
  try {
    bytes = readFileSync(place);
  } catch (error) {
    const reason =
      error instanceof Error ? error.message.replace(/^\w+: /, '').replace(/, \w+( '.*')?$/, '') : String(error);
    throw new UsageError(`Cannot read ${name}: ${reason}`, undefined, BAD_FILELIST);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new UsageError(`${name[0]?.toUpperCase()}${name.slice(1)} is not UTF-8 text`, undefined, BAD_FILELIST);
  }
}
