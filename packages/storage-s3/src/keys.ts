/** Object names (byte strings) and S3 keys (text, in UTF-8 on the wire): `prefix/name`. */

import { bytesOfText, checkName, StorageError, textOfBytes } from '@redup/storage';

/** S3's limit, in bytes of UTF-8. */
const MAX_KEY_BYTES = 1024;

/** @throws StorageError `bad-name` */
export function keyOf(prefix: string, name: string): string {
  checkName(name);
  const text = textOfBytes(name);
  if (text === undefined) throw badName(name, 'is not UTF-8, which S3 asks for');
  const key = prefix === '' ? text : `${prefix}/${text}`;
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) throw badName(name, 'is too long for S3 (1,024 bytes with its prefix)');
  return key;
}

/** What a listing must begin with. */
export function listPrefix(prefix: string): string {
  return prefix === '' ? '' : `${prefix}/`;
}

/** The name of a listed key, or undefined when it is not one of ours: the "folder" itself, or something below it. */
export function nameOf(prefix: string, key: string): string | undefined {
  const start = listPrefix(prefix);
  const rest = key.slice(start.length);
  if (!key.startsWith(start) || rest === '' || rest === '.' || rest === '..' || /[/\0]/.test(rest)) return undefined;
  return bytesOfText(rest);
}

/** Listings are asked for in URL encoding, because XML can't hold every character. Ceph encodes a space as `+`, as forms do. */
export function decodeListed(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll('+', '%20'));
  } catch {
    return key;
  }
}

/** Volumes may go to a Glacier class; manifests and signatures are needed by each run and may not. Long and short names. */
export function isVolume(name: string): boolean {
  return /\.difftar(\.[a-z]+)?$|\.dt(\.[a-z])?$/.test(name);
}

function badName(name: string, reason: string): StorageError {
  return new StorageError('bad-name', `an object name ${reason}`, {
    subject: name,
    hint: 'choose another --file-prefix',
  });
}
