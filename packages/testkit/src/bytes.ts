/**
 * Byte strings: file names and paths as JS strings with one char per byte ("latin1"), as the engine
 * keeps them. Here are the doors to buffers, text and the eye of a person.
 */

/** The bytes of a byte string. Throws when a char lies above 0xff: then it's text, not a byte string. */
export function toBytes(name: string): Buffer {
  if (/[^\0-\xff]/.test(name)) throw new RangeError(`not a byte string: ${JSON.stringify(name)}`);
  return Buffer.from(name, 'latin1');
}

/** The byte string of some bytes. */
export function fromBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/** The byte string under which a text lies on disk (UTF-8). */
export function fromText(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** A byte string in printable ASCII, quoted, every other byte as `\xHH`. */
export function printable(name: string): string {
  const escaped = name.replace(/[^ !#-[\]-~]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return `"${escaped}"`;
}

/** Joins two byte-string paths; an empty side is the root. */
export function joinPath(parent: string, name: string): string {
  return parent === '' ? name : name === '' ? parent : `${parent}/${name}`;
}

/** The path of the directory that holds `path`; the root's is the root. */
export function parentPath(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

/** Component-wise order of FORMAT.md §3: `a`, `a/b`, `a.b`; `/` sorts below every other byte. */
export function comparePaths(a: string, b: string): number {
  const left = a.replaceAll('/', '\0');
  const right = b.replaceAll('/', '\0');
  return left < right ? -1 : left > right ? 1 : 0;
}
