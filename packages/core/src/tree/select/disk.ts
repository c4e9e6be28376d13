/** The answers of a real disk to what conditions ask. */

import { lstatSync, type Stats } from 'node:fs';
import { type ByteString, fromText } from '../../archive/index.js';
import { trimSlashes } from '../walk.js';
import type { FileSystemQuestions } from './conditions.js';

/** @param stat `statSync` where links are followed, which changes what the source's device is */
export function questionsAbout(
  root: ByteString,
  stat: (path: Buffer) => Pick<Stats, 'dev'> = lstatSync,
): FileSystemQuestions {
  const trimmed = trimSlashes(root);
  const prefix = trimmed.endsWith('/') ? trimmed : `${trimmed}/`;
  return {
    contains: (directory, name) => {
      const below = directory === '' ? prefix : `${prefix}${directory}/`;
      return lstatSync(Buffer.from(below + fromText(name), 'latin1'), { throwIfNoEntry: false }) !== undefined;
    },
    rootDevice: () => stat(Buffer.from(trimmed, 'latin1')).dev,
  };
}
