/**
 * Markdown as a test sees it: which blocks claim to run, what they claim to print, what is linked and what is named.
 *
 * A fenced block whose info string is `bash run` or `ts run` is executed; a block `text output` right behind it is what it
 * prints, where `…` stands for anything on that line and a line of its own for any lines. All blocks of one language
 * in one document are one program, so that a text can go on from what it showed before.
 * Blocks without a mark, with places that are the reader's, are run or accounted for by excerpts.test.ts.
 */

import fs from 'node:fs';
import path from 'node:path';

export interface Document {
  /** Relative to the repository. */
  readonly path: string;
  readonly lines: readonly string[];
}

export interface Block {
  /** First word of the info string. */
  readonly language: string;
  /** The other words. */
  readonly marks: readonly string[];
  /** Number of the opening fence's line, from 1. */
  readonly line: number;
  readonly content: readonly string[];
}

export interface Program {
  /** As long as the document, so that line numbers of errors are those of the document. */
  readonly source: string;
  /** Line of a block's opening fence → what the block prints. */
  readonly expected: ReadonlyMap<number, string>;
}

/** Everything people read: the root's documents, docs/ and the packages' READMEs. */
export function findDocuments(root: string): Document[] {
  const below = (folder: string) => fs.readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' });
  const found = [
    ...fs.readdirSync(root),
    ...below('docs').map((name) => path.join('docs', name)),
    'examples/README.md',
    ...fs.readdirSync(path.join(root, 'packages')).map((name) => path.join('packages', name, 'README.md')),
  ];
  return found
    .filter((name) => name.endsWith('.md') && !/(?:^|\/)(?:node_modules|reference)\//.test(name))
    .filter((name) => fs.existsSync(path.join(root, name)))
    .sort()
    .map((name) => ({ path: name, lines: fs.readFileSync(path.join(root, name), 'utf8').split('\n') }));
}

export function blocksOf({ lines }: Pick<Document, 'lines'>): Block[] {
  const blocks: Block[] = [];
  let open: { readonly fence: string; readonly info: string; readonly line: number } | undefined;
  for (const [index, text] of lines.entries()) {
    const [, fence = '', info = ''] = /^(`{3,})(.*)$/.exec(text) ?? [];
    if (open === undefined && fence !== '') open = { fence, info, line: index + 1 };
    else if (open !== undefined && fence === open.fence && info.trim() === '') {
      const [language = '', ...marks] = open.info.trim().split(/\s+/);
      blocks.push({ language, marks, line: open.line, content: lines.slice(open.line, index) });
      open = undefined;
    }
  }
  return blocks;
}

/**
 * The program of a document in one language, or undefined if nothing of it runs.
 * @param mark the statement that prints {@link markOf} a line; it takes the place of a block's opening fence
 */
export function programOf(document: Document, language: string, mark: (text: string) => string): Program | undefined {
  const blocks = blocksOf(document);
  const running = blocks.filter((block) => block.language === language && block.marks.includes('run'));
  if (running.length === 0) return undefined;
  const source = document.lines.map(() => '');
  const expected = new Map<number, string>();
  for (const block of running) {
    source[block.line - 1] = mark(markOf(block.line));
    for (const [index, text] of block.content.entries()) source[block.line + index] = text;
    const next = blocks[blocks.indexOf(block) + 1];
    if (next?.marks.includes('output')) expected.set(block.line, next.content.join('\n'));
  }
  return { source: source.join('\n'), expected };
}

export function markOf(line: number): string {
  return `──── line ${line} ────`;
}

/** What each block printed, by the line of its opening fence. */
export function outputsOf(printed: string): Map<number, string> {
  const outputs = new Map<number, string>();
  let current: string[] = [];
  let line = 0;
  for (const text of printed.split('\n')) {
    const found = /^──── line (\d+) ────$/.exec(text);
    if (found === null) {
      current.push(text);
      continue;
    }
    outputs.set(line, current.join('\n'));
    current = [];
    line = Number(found[1]);
  }
  return outputs.set(line, current.join('\n'));
}

/** Whether something was printed as a document says, with its `…`. */
export function isPrintedAs(expected: string, printed: string): boolean {
  const lines = expected.split('\n').map((line) => {
    if (line.trim() === '…') return '(?:[^\\n]*\\n)*?';
    return `${line.trimEnd().split('…').map(escapePattern).join('[^\\n]*')}[ \\t]*\\n`;
  });
  return new RegExp(`^\\n*${lines.join('')}\\n*$`).test(`${printed.trim()}\n`);
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

export interface Mention {
  readonly text: string;
  readonly line: number;
}

/** Targets of links that lead to a place in the repository. */
export function localLinksOf(document: Document): Mention[] {
  return prose(document).flatMap(({ text, line }) =>
    [...text.replace(/`[^`]*`/g, '').matchAll(/\]\(([^()\s]+)\)/g)]
      .map((match) => ({ text: match[1] ?? '', line }))
      .filter(({ text: target }) => !/^[a-z]+:/.test(target)),
  );
}

/** What stands `between backticks`. */
export function inlineCodeOf(document: Document): Mention[] {
  return prose(document).flatMap(({ text, line }) =>
    [...text.matchAll(/`([^`]+)`/g)].map((match) => ({ text: match[1] ?? '', line })),
  );
}

/** Anchors of headings, as GitHub makes them. */
export function anchorsOf(document: Document): Set<string> {
  const anchors = new Set<string>();
  for (const { text } of prose(document)) {
    const heading = /^#+ (.*)$/.exec(text)?.[1];
    if (heading === undefined) continue;
    const plain = heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '');
    anchors.add(plain.trim().replace(/\s/g, '-'));
  }
  return anchors;
}

/** Lines outside of fenced blocks. */
function prose(document: Document): Mention[] {
  const hidden = new Set<number>();
  for (const { line, content } of blocksOf(document)) {
    for (let at = line; at <= line + content.length + 1; at++) hidden.add(at);
  }
  return document.lines.map((text, index) => ({ text, line: index + 1 })).filter(({ line }) => !hidden.has(line));
}
