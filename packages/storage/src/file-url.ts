/** Targets that are folders: plain paths, and `file:` URLs by duplicity's rules. */

import { StorageError } from './errors.js';

/**
 * The path that a target names: `file:///abs/path`, `file://relative/path` and `file:/abs/path`, percent-decoded
 * as duplicity does (tried with 0.8.22 and 3.2.1); anything without a scheme is a path already.
 *
 * @throws StorageError `bad-url` for other schemes, an empty path, or a broken percent escape
 */
export function folderOfTarget(target: string): string {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(target)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== 'file') throw badUrl(target, `is not a file URL`);
  const encoded = /^file:(?:\/\/)?(.*)$/is.exec(target)?.[1];
  const path = encoded === undefined ? target : decode(encoded, target);
  if (path === '') throw badUrl(target, 'names no folder');
  if (path.includes('\0')) throw badUrl(target, 'holds a NUL');
  return path;
}

function decode(encoded: string, target: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch (error) {
    throw badUrl(target, 'has a percent sign that begins no escape (write it as %25)', error);
  }
}

function badUrl(target: string, reason: string, cause?: unknown): StorageError {
  return new StorageError('bad-url', `the target ${JSON.stringify(target)} ${reason}`, {
    subject: target,
    cause,
    hint: 'write file:///absolute/path or file://relative/path',
  });
}
