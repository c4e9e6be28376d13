/**
 * Where copies of the target's metadata are kept. Where the usual place can't be written to (a read-only home, or none), a
 * private folder serves for this run: nothing is lost but time, and taking up an interrupted backup.
 */

import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { defaultArchiveDirectory } from '../engine.js';
import type { Values } from '../options/index.js';
import type { Log } from '../output/log.js';

export interface ArchivePlace {
  /** Undefined: the engine's default. */
  readonly path: string | undefined;
  dispose(): void;
}

export function archivePlace(values: Values, env: NodeJS.ProcessEnv, log: Log): ArchivePlace {
  const { 'archive-dir': given, tempdir } = values;
  const reason = given === undefined ? obstacle(env) : undefined;
  if (reason === undefined) return { path: given, dispose: () => {} };
  const path = mkdtempSync(join(tempdir ?? tmpdir(), 'redup-archive-'));
  log.warning(
    `${reason}: metadata is copied for this run alone, and an interrupted backup begins anew. --archive-dir names another place`,
  );
  return { path, dispose: () => rmSync(path, { recursive: true, force: true }) };
}

/** Why the usual folder can't be used. */
function obstacle(env: NodeJS.ProcessEnv): string | undefined {
  let path: string;
  try {
    path = defaultArchiveDirectory(env);
  } catch {
    return 'There is no home directory for the archive directory';
  }
  for (let at = path; ; at = dirname(at)) {
    try {
      accessSync(at, constants.W_OK | constants.X_OK);
      return undefined;
    } catch (error) {
      const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
      if (!isMissing || at === dirname(at)) return `The archive directory ${path} can't be written to`;
    }
  }
}
