import { describe, expect, it } from 'vitest';
import { decodeListed, isVolume, keyOf, nameOf } from './keys.js';

describe('an S3 key', () => {
  it('is the prefix, a slash and the name, and leads back to the name', () => {
    for (const prefix of ['', 'a', 'a/b', 'ä b']) {
      for (const name of ['x', 'a b', 'caf\xc3\xa9']) expect(nameOf(prefix, keyOf(prefix, name))).toBe(name);
    }
    expect(keyOf('a/b', 'x')).toBe('a/b/x');
    expect(keyOf('', 'x')).toBe('x');
  });

  it('of other places is no name', () => {
    for (const key of ['a/', 'a/b/c', 'ab', 'b/c', 'a/..', 'a/.', 'a/x\0y']) expect(nameOf('a', key)).toBeUndefined();
  });

  it('has at most 1,024 bytes, and is UTF-8', () => {
    expect(() => keyOf('p'.repeat(800), 'n'.repeat(300))).toThrow(expect.objectContaining({ code: 'bad-name' }));
    expect(() => keyOf('p', 'caf\xe9')).toThrow(expect.objectContaining({ code: 'bad-name' }));
  });

  it('is decoded as Amazon and Ceph encode listings, and left alone when it is no encoding', () => {
    expect(decodeListed('a%2Bb+c%20d%25')).toBe('a+b c d%');
    expect(decodeListed('100%')).toBe('100%');
  });
});

describe('what may go to a Glacier class', () => {
  it.each([
    'duplicity-full.20260101T000000Z.vol1.difftar.gpg',
    'pre.duplicity-inc.20260101T000000Z.to.20260102T000000Z.vol12.difftar.gz',
    'duplicity-full.20260101T000000Z.vol1.difftar',
    'df.toyzd9.1.dt.g',
    'di.toyzd9.toyzda.1.dt',
  ])('%s is a volume', (name) => expect(isVolume(name)).toBe(true));

  it.each([
    'duplicity-full.20260101T000000Z.manifest.gpg',
    'duplicity-full-signatures.20260101T000000Z.sigtar.gpg',
    'duplicity-new-signatures.20260101T000000Z.to.20260102T000000Z.sigtar.gz',
    'dfs.toyzd9.st.g',
    'df.toyzd9.m.g',
    'duplicity-full.20260101T000000Z.jsonstat.gz',
  ])('%s stays where it can be read', (name) => expect(isVolume(name)).toBe(false));
});
