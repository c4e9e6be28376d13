/** File lists: of patterns (`--include-filelist`), and of paths (`--files-from`). */

import type { Action } from './rules.js';
import { PatternError } from './rules.js';

export interface ListedPattern {
  readonly action: Action;
  readonly pattern: string;
}

export interface ListOptions {
  /** `--null-separator` */
  readonly separator: 'newline' | 'nul';
}

/** One pattern a line, with `+ ` or `- ` in front where a line means something else than the list. */
export function parseFilelist(content: string, fallback: Action, options: ListOptions): ListedPattern[] {
  const found: ListedPattern[] = [];
  for (const raw of linesOf(content, options)) {
    const line = stripBlanks(raw);
    if (line === '' || line.startsWith('#')) continue;
    const marked = line.startsWith('+ ') || line.startsWith('- ');
    const action = !marked ? fallback : line.startsWith('+') ? 'include' : 'exclude';
    found.push({ action, pattern: unquote(marked ? line.slice(2) : line) });
  }
  return found;
}

/** One pair of quotes around it keeps the blanks of a name that begins or ends in some. */
function unquote(text: string): string {
  const quote = text[0];
  return text.length > 1 && (quote === '"' || quote === "'") && text.endsWith(quote) ? text.slice(1, -1) : text;
}

/** What Python's `strip` takes for blank. */
function stripBlanks(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the separators of ASCII count as blanks there
  return text.replace(/^[\s\x1c-\x1f\x85]+|[\s\x1c-\x1f\x85]+$/g, '').replace(/^\ufeff+|\ufeff+$/g, '');
}

/**
 * The paths of `--files-from`, relative to the source, and all their parents.
 * @throws PatternError absolute-path, empty-list
 */
export function parsePathList(content: string, name: string, options: ListOptions): ReadonlySet<string> {
  const paths = new Set<string>();
  for (const line of linesOf(content, options)) {
    if (line === '') continue;
    if (line.startsWith('/')) {
      throw new PatternError('absolute-path', `The file list ${name} has the absolute path ${line}`, {
        subject: line,
        hint: 'Write its paths relative to the folder that is backed up.',
      });
    }
    addWithParents(paths, line, name);
  }
  if (paths.size > 0) return paths;
  throw new PatternError('empty-list', `The file list ${name} is empty`, {
    subject: name,
    hint: 'Nothing would be backed up, and everything in the last backup recorded as deleted.',
  });
}

/** `./a`, `a/` and `a//b` are what they seem to be; duplicity makes odd names of them. */
function addWithParents(paths: Set<string>, line: string, name: string): void {
  const components = line.split('/').filter((component) => component !== '' && component !== '.');
  if (components.includes('..')) {
    throw new PatternError(
      'outside-root',
      `The file list ${name} has the path ${line}, which leads out of the source`,
      {
        subject: line,
        hint: 'Write its paths without "..".',
      },
    );
  }
  let path = '';
  for (const component of components) {
    path = path === '' ? component : `${path}/${component}`;
    paths.add(path);
  }
}

function linesOf(content: string, { separator }: ListOptions): string[] {
  return separator === 'nul' ? content.split('\0') : content.split(/\r\n|\n|\r/);
}
