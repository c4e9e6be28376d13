/**
 * Several sources in one archive, which has one root (docs/decisions/0018): the root is what the sources have in common, found
 * from the patterns and not from what they match today, so that a new match does not move it. What fast-glob finds becomes
 * rules of duplicity's selection.
 */

import { lstatSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import fastGlob from 'fast-glob';
import { expandPath } from '../arguments/values.js';
import { RedupError } from '../engine.js';
import type { Profile } from './schema.js';

export interface Sources {
  readonly root: string;
  /** Options of the selection, in their order. */
  readonly rules: readonly string[];
  /** Patterns that match nothing now. */
  readonly unmatched: readonly string[];
}

/** @throws RedupError SOURCE_MISSING, BAD_OPTION */
export function resolveSources(
  profile: Pick<Profile, 'sources' | 'root' | 'exclude'>,
  env: NodeJS.ProcessEnv,
): Sources {
  const patterns = profile.sources.map((source) => normalized(expandPath(source, env)));
  const [only = ''] = patterns;
  const isPlain = patterns.length === 1 && !fastGlob.isDynamicPattern(only);
  const root = profile.root === undefined ? rootOf(patterns) : resolve(expandPath(profile.root, env));
  const excludes = (profile.exclude ?? []).map((pattern) => `--exclude=${pattern}`);
  for (const pattern of patterns) checkBelow(root, pattern);
  const unmatched: string[] = [];
  const found = patterns.flatMap((pattern) => {
    const matches = matchesOf(pattern);
    if (matches.length === 0) unmatched.push(pattern);
    return matches;
  });
  if (found.length === 0) {
    throw new RedupError('SOURCE_MISSING', `Nothing is there that matches ${patterns.join(', ')}`, {
      hint: 'Look at the sources of the profile: is a disk not mounted?',
    });
  }
  if ((isPlain && only === root) || found.includes(root)) return { root, rules: excludes, unmatched };
  const includes = [...new Set(found)].sort().map((path) => `--include=${literalGlob(path)}`);
  return { root, rules: [...excludes, ...includes, '--exclude=**'], unmatched };
}

function normalized(pattern: string): string {
  return pattern === '/' ? pattern : pattern.replace(/\/+/g, '/').replace(/\/$/, '');
}

/** A plain path has to be there: one that is missing, and then recorded as deleted, is what nobody wants. */
function matchesOf(pattern: string): string[] {
  if (fastGlob.isDynamicPattern(pattern)) {
    return fastGlob.sync(pattern, { dot: true, onlyFiles: false, followSymbolicLinks: false, suppressErrors: true });
  }
  const path = pattern.replace(/\\(.)/g, '$1');
  try {
    lstatSync(path);
    return [path];
  } catch {
    throw new RedupError('SOURCE_MISSING', `The source ${path} is missing`, {
      subject: path,
      hint: 'Is a disk not mounted? Take it out of the sources if it is gone for good.',
    });
  }
}

function rootOf(patterns: readonly string[]): string {
  const bases = patterns.map(staticBase);
  let [root = '/'] = bases;
  while (!bases.every((base) => base === root || base.startsWith(root === '/' ? root : `${root}/`)))
    root = dirname(root);
  return root;
}

/** The part of a pattern before its first special component; of several plain paths each one itself. */
function staticBase(pattern: string): string {
  if (!fastGlob.isDynamicPattern(pattern)) return pattern.replace(/\\(.)/g, '$1');
  const parts = pattern.split('/');
  const special = parts.findIndex((part) => part !== '' && fastGlob.isDynamicPattern(part));
  return parts.slice(0, special).join('/') || '/';
}

function checkBelow(root: string, pattern: string): void {
  const base = staticBase(pattern);
  if (root === '/' || base === root || base.startsWith(`${root}/`)) return;
  throw new RedupError('BAD_OPTION', `The source ${pattern} does not lie below the root ${root}`, {
    hint: 'Name a root above all sources, or leave it out.',
  });
}

/** A path as a pattern of duplicity that matches nothing else. */
function literalGlob(path: string): string {
  return path.replace(/[[*?]/g, '[$&]');
}
