import { comparePaths as componentOrder, pathArbitrary } from '@redup/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asPath, type Path } from '../archive/index.js';
import { baseName, comparePaths, isWithin, joinPath, parentOf, relativeTo } from './paths.js';

const paths: fc.Arbitrary<Path> = fc.oneof(
  { weight: 8, arbitrary: pathArbitrary().map(asPath) },
  {
    weight: 2,
    arbitrary: fc
      .array(fc.constantFrom('a', 'a.', 'a\x01', 'b'), { minLength: 1, maxLength: 4 })
      .map((p) => asPath(p.join('/'))),
  },
  { weight: 1, arbitrary: fc.constant(asPath('')) },
);

describe('the order of paths', () => {
  test('is that of their components', () => {
    expect((['a.b', 'a/b', 'a', 'B', 'a\x01', 'a/b/c', ''] as Path[]).sort(comparePaths)).toEqual([
      '',
      'B',
      'a',
      'a/b',
      'a/b/c',
      'a\x01',
      'a.b',
    ]);
    fc.assert(
      fc.property(paths, paths, (a, b) => {
        expect(Math.sign(comparePaths(a, b))).toBe(componentOrder(a, b));
      }),
      { numRuns: 2000 },
    );
  });

  test('puts a folder right before everything in it', () => {
    fc.assert(
      fc.property(paths, paths, paths, (parent, name, other) => {
        const child = joinPath(parent, name === '' ? 'x' : name);
        expect(comparePaths(parent, child)).toBeLessThan(0);
        if (comparePaths(other, parent) > 0 && comparePaths(other, child) < 0)
          expect(isWithin(other, parent)).toBe(true);
      }),
    );
  });
});

test('a path is its parent and its name', () => {
  fc.assert(
    fc.property(paths, (path) => {
      fc.pre(path !== '');
      expect(joinPath(parentOf(path), baseName(path))).toBe(path);
      expect(baseName(path)).not.toContain('/');
    }),
  );
});

test('what lies within is the folder itself and what is below, not what only begins like it', () => {
  expect(isWithin(asPath('a.b'), asPath('a'))).toBe(false);
  expect(isWithin(asPath('ab'), asPath('a'))).toBe(false);
  expect(isWithin(asPath('a'), asPath('a/b'))).toBe(false);
  fc.assert(
    fc.property(paths, paths, (parent, name) => {
      const child = joinPath(parent, name);
      fc.pre(name !== '' || parent === '');
      expect(isWithin(child, parent)).toBe(true);
      expect(relativeTo(child, parent)).toBe(name);
    }),
  );
});
