/** `mkdir -p`. Node's own never returns where a file system takes no folders, such as `/proc`. */

import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { diskPath } from './archive/index.js';

/** @param path as text of `toLosslessText` */
export function makeFolders(path: string, mode = 0o777): void {
  const missing: string[] = [];
  for (let at = path; !isFolder(at); at = dirname(at)) missing.push(at);
  for (const folder of missing.reverse()) mkdirSync(diskPath(folder), mode);
}

function isFolder(path: string): boolean {
  return statSync(diskPath(path), { throwIfNoEntry: false })?.isDirectory() === true;
}
