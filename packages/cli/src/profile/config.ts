/** Finds, reads and checks `redup.yaml`. What is wrong is told with file and line, and what to write instead. */

import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type Document, isMap, isNode, isScalar, LineCounter, type Node, parseDocument } from 'yaml';
import type * as z from 'zod';
import { closest } from '../arguments/similar.js';
import { UsageError } from '../arguments/usage-error.js';
import { reasonOf } from '../reason.js';
import { type Config, config, type Profile, profile } from './schema.js';

export interface LoadedConfig {
  readonly file: string;
  /** What relative paths in it are relative to. */
  readonly folder: string;
  readonly profiles: ReadonlyMap<string, Profile>;
}

/** Where it is looked for, in this order. */
export function configPlaces(env: NodeJS.ProcessEnv): string[] {
  const { XDG_CONFIG_HOME, HOME } = env;
  const own = XDG_CONFIG_HOME || (HOME ? join(HOME, '.config') : '');
  return [...(own === '' ? [] : [join(own, 'redup/redup.yaml')]), '/etc/redup/redup.yaml'];
}

/** @throws UsageError when there is none, or it is not right */
export function loadConfig(named: string | undefined, env: NodeJS.ProcessEnv): LoadedConfig {
  const places = named === undefined ? configPlaces(env) : [resolve(named)];
  const file = places.find((place) => existsSync(place));
  if (file === undefined) {
    throw new UsageError(
      `There is no configuration file: looked for ${places.join(' and ')}`,
      'docs/configuration.md shows one; --config FILE names another.',
    );
  }
  return {
    file,
    folder: dirname(file),
    profiles: new Map(Object.entries(parseConfig(readConfig(file), file).profiles)),
  };
}

/** @throws UsageError naming the profiles that are there */
export function findProfile({ profiles, file }: LoadedConfig, name: string): Profile {
  const found = profiles.get(name);
  if (found !== undefined) return found;
  const near = closest(name, [...profiles.keys()]);
  throw new UsageError(
    `There is no profile ${name} in ${file}`,
    near === undefined ? `There are: ${[...profiles.keys()].join(', ')}.` : `Did you mean ${near}?`,
  );
}

function readConfig(file: string): string {
  try {
    if ((statSync(file).mode & 0o022) !== 0 && process.platform !== 'win32') {
      throw new UsageError(
        `${file} can be written by others, who could have their commands run as hooks`,
        `Run chmod go-w '${file}'.`,
      );
    }
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`Cannot read ${file}: ${reasonOf(error)}`);
  }
}

/** @throws UsageError with all mistakes, one a line */
export function parseConfig(text: string, file: string): Config {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [broken] = document.errors;
  if (broken !== undefined) throw mistakes([`${at(file, lines, broken.pos[0])}: ${broken.message}`]);
  const parsed = config.safeParse(document.toJS());
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.flatMap((issue) => describe(issue, document, file, lines));
  throw mistakes(problems);
}

function mistakes([first = '', ...more]: readonly string[]): UsageError {
  const hint = 'docs/configuration.md shows what may stand there.';
  return new UsageError([first, ...more].join('\n'), hint);
}

function at(file: string, lines: LineCounter, offset: number): string {
  const { line, col } = lines.linePos(offset);
  return `${file}:${line}:${col}`;
}

function describe(issue: z.core.$ZodIssue, document: Document, file: string, lines: LineCounter): string[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(path);
    return issue.keys.map((key) => {
      const near = closest(key, known);
      const hint = near === undefined ? `; known are ${known.join(', ')}` : `; did you mean ${near}?`;
      return `${at(file, lines, keyOffset(document, [...path, key]))}: ${[...path, key].join('.')} is not known${hint}`;
    });
  }
  const isMissing = issue.code === 'invalid_type' && document.getIn(path) === undefined;
  const message = isMissing ? 'is missing' : wording(issue);
  return [`${at(file, lines, keyOffset(document, path))}: ${path.join('.') || 'the file'} ${message}`];
}

function wording(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_key') return issue.issues[0]?.message ?? 'is no key';
  if (issue.code === 'invalid_type')
    return `must be ${issue.expected === 'object' ? 'a mapping' : `of type ${issue.expected}`}`;
  return /^(must|is|has)\b/.test(issue.message) ? issue.message : `is wrong: ${issue.message}`;
}

/** Names that may stand where an unknown one stands. */
function knownKeys(path: readonly string[]): string[] {
  if (path.length === 0) return Object.keys(config.shape);
  if (path.length === 2) return Object.keys(profile.shape);
  const [, , field = ''] = path;
  const nested: Readonly<Record<string, readonly string[]>> = {
    retention: ['older-than', 'keep-full', 'keep-incrementals-of'],
    hooks: ['pre', 'post', 'on-failure'],
    metrics: ['directory'],
    healthcheck: ['url'],
    credentials: ['file'],
  };
  return [...(nested[field] ?? [])];
}

/** Where a key stands, or the nearest thing above it that is there. */
function keyOffset(document: Document, path: readonly string[]): number {
  for (let length = path.length; length > 0; length--) {
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const key = path[length - 1];
    if (isMap(parent)) {
      const pair = parent.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
      if (pair !== undefined && isNode(pair.key)) return start(pair.key);
    }
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node)) return start(node);
  }
  return 0;
}

function start(node: Node): number {
  return node.range?.[0] ?? 0;
}
