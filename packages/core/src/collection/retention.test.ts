/** Whatever a rule removes, every backup that is kept has all it needs; on random collections, at any moment of the deletion. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asTime, formatTime } from '../archive/index.js';
import { latestChain, setsAt, signaturesFor } from './queries.js';
import { filesOf, planCleanup, planRetention, type Removal, type RetentionRule } from './retention.js';
import { type BackupChain, type Collection, collect, endOf, setsOf, startTimeOf } from './sets.js';

const SEED = process.env['REDUP_SEED'];
const PARAMETERS = { numRuns: 500, ...(SEED === undefined ? {} : { seed: Number(SEED) }) };

/** A set follows the one before, or the one before that; parts of it may be missing. */
const setArbitrary = fc.record({
  full: fc.boolean(),
  volumes: fc.integer({ min: 1, max: 2 }),
  lost: fc.constantFrom('nothing', 'nothing', 'nothing', 'manifest', 'signatures', 'all'),
});

const namesArbitrary = fc.array(setArbitrary, { maxLength: 10 }).map((sets) => [
  'notes.txt',
  'duplicity-full.20231114T221320Z.vol1.difftar.gz.par2',
  ...sets.flatMap(({ full, volumes, lost }, index) => {
    const isFull = full || index === 0;
    const times = isFull ? timeOf(index) : `${timeOf(index - 1)}.to.${timeOf(index)}`;
    const stem = `duplicity-${isFull ? 'full' : 'inc'}.${times}`;
    const signatures = `duplicity-${isFull ? 'full' : 'new'}-signatures.${times}.sigtar.gz`;
    if (lost === 'all') return [];
    return [
      ...Array.from({ length: volumes }, (_, volume) => `${stem}.vol${volume + 1}.difftar.gz`),
      ...(lost === 'manifest' ? [] : [`${stem}.manifest`]),
      ...(lost === 'signatures' ? [] : [signatures]),
    ];
  }),
]);

const START = 1_700_000_000;
const countArbitrary = fc.integer({ min: 1, max: 4 });
const ruleArbitrary: fc.Arbitrary<RetentionRule> = fc.oneof(
  fc.integer({ min: -1, max: 22 }).map((half) => ({ remove: 'older-than' as const, time: asTime(START + half * 500) })),
  countArbitrary.map((count) => ({ remove: 'all-but-full' as const, count })),
  countArbitrary.map((count) => ({ remove: 'incrementals-of-all-but-full' as const, count })),
);

function timeOf(index: number): string {
  return formatTime(asTime(START + index * 1000));
}

function collection(names: Iterable<string>): Collection {
  return collect([...names].map((name) => ({ name, size: 1 })));
}

/** The names that go, one after the other as they are deleted. */
function namesOf({ sets, signatures }: Removal): string[] {
  return [...sets.flatMap(filesOf), ...signatures].map((file) => file.name);
}

function without(names: readonly string[], gone: readonly string[]): string[] {
  const set = new Set(gone);
  return names.filter((name) => !set.has(name));
}

const textOf = (chain: BackupChain): string[] => setsOf(chain).flatMap((set) => filesOf(set).map((file) => file.name));

describe('a retention rule', () => {
  test('never takes what a kept backup needs, nor at any moment leaves half of a set that looks whole', () => {
    fc.assert(
      fc.property(namesArbitrary, ruleArbitrary, (names, rule) => {
        const before = collection(names);
        const plan = planRetention(before, rule);
        const removed = new Set(plan.chains.map(startTimeOf));
        const gone = namesOf(plan);
        for (let done = 0; done <= gone.length; done++) {
          const after = collection(without(names, gone.slice(0, done)));
          for (const chain of before.chains) {
            const now = after.chains.find((other) => startTimeOf(other) === startTimeOf(chain));
            if (!removed.has(startTimeOf(chain))) expect(now && textOf(now)).toEqual(textOf(chain));
            // A beginning of the chain, each set of it with all its files.
            else expect(textOf(chain).slice(0, now ? textOf(now).length : 0)).toEqual(now ? textOf(now) : []);
          }
        }
      }),
      PARAMETERS,
    );
  });

  test('keeps the last chain with the signatures that continue it', () => {
    fc.assert(
      fc.property(namesArbitrary, ruleArbitrary, (names, rule) => {
        const before = collection(names);
        const after = collection(without(names, namesOf(planRetention(before, rule))));
        const last = latestChain(before);
        if (last === undefined) return;
        expect(latestChain(after)).toEqual(last);
        expect(signaturesFor(setsOf(last), after.signatureChains)).toEqual(
          signaturesFor(setsOf(last), before.signatureChains),
        );
      }),
      PARAMETERS,
    );
  });

  test('keeps every backup from the given time on, and removes all chains before it but the last', () => {
    fc.assert(
      fc.property(namesArbitrary, fc.integer({ min: -1, max: 22 }), (names, half) => {
        const time = asTime(START + half * 500);
        const before = collection(names);
        const after = collection(without(names, namesOf(planRetention(before, { remove: 'older-than', time }))));
        const kept = before.chains.filter((chain) => endOf(chain) >= time || chain === latestChain(before));
        expect(after.chains).toEqual(kept);
        for (const chain of before.chains) {
          for (const set of setsOf(chain).filter(({ span }) => span.time >= time)) {
            const same = after.chains.find((other) => startTimeOf(other) === startTimeOf(chain));
            expect(same && setsAt(same, set.span.time)).toEqual(setsAt(chain, set.span.time));
          }
        }
      }),
      PARAMETERS,
    );
  });

  test('keeps the number of full backups that was asked for, with or without the incrementals of the others', () => {
    fc.assert(
      fc.property(namesArbitrary, countArbitrary, (names, count) => {
        const before = collection(names);
        const whole = planRetention(before, { remove: 'all-but-full', count });
        const chains = collection(without(names, namesOf(whole))).chains;
        expect(chains).toEqual(before.chains.slice(-count));
        const incrementals = planRetention(before, { remove: 'incrementals-of-all-but-full', count });
        const thinned = collection(without(names, namesOf(incrementals))).chains;
        expect(thinned).toEqual(
          before.chains.map((chain, index) =>
            index < before.chains.length - count ? { ...chain, incrementals: [] } : chain,
          ),
        );
      }),
      PARAMETERS,
    );
  });
});

describe('cleanup', () => {
  test('takes everything that belongs to no chain, and nothing else', () => {
    fc.assert(
      fc.property(namesArbitrary, (names) => {
        const before = collection(names);
        const after = collection(without(names, namesOf(planCleanup(before))));
        expect(after.chains).toEqual(before.chains);
        expect(after.foreign).toEqual(before.foreign);
        expect(after.signatureChains).toEqual(before.signatureChains);
        expect([after.orphanedSets, after.incompleteSets]).toEqual([[], []]);
        const sets = new Set(before.chains.flatMap(setsOf).map((set) => set.span.time));
        for (const file of after.orphanedSignatures) expect(sets).toContain(file.parsed.span.time);
      }),
      PARAMETERS,
    );
  });
});
