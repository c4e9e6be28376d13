/** Object names: byte strings that a file system and an S3 key can both hold. */

import { printable, StorageError } from './errors.js';

/** @throws StorageError `bad-name` */
export function checkName(name: string): void {
  const reason = whyBad(name);
  if (reason === undefined) return;
  throw new StorageError('bad-name', `object name ${JSON.stringify(printable(name))} ${reason}`, {
    subject: name,
    hint: 'choose a --file-prefix without such characters',
  });
}

function whyBad(name: string): string | undefined {
  if (name === '' || name === '.' || name === '..') return 'is not a file name';
  for (let at = 0; at < name.length; at += 1) {
    const code = name.charCodeAt(at);
    if (code === 0x2f) return 'holds a slash';
    if (code === 0) return 'holds a NUL';
    if (code > 0xff) return 'is not a byte string';
  }
  return undefined;
}

/** Text (a path, a URL) as the byte string of its UTF-8 form. */
export function bytesOfText(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** A byte string as text, or undefined when it is not UTF-8. */
export function textOfBytes(name: string): string | undefined {
  const text = Buffer.from(name, 'latin1').toString('utf8');
  return bytesOfText(text) === name ? text : undefined;
}
