/**
 * What may happen to an archive: the tree changes, one program or the other makes a backup (of everything or a
 * selection), is killed in the middle of one, removes what is old, or loses its cache. Plain values, which fast-check
 * makes and shrinks, and which print as a script that can be played again.
 */

import fc from 'fast-check';

import { treeArbitrary } from '../arbitraries.js';
import { type Mutation, mutationArbitrary } from '../history.js';
import type { DuplicityPeerName } from '../peers.js';
import { DUPLICITY_PEERS } from '../peers.js';
import type { TreeModel } from '../tree.js';

export type Writer = 'redup' | 'duplicity';

export type Step =
  | { readonly do: 'change'; readonly mutations: readonly Mutation[] }
  | {
      readonly do: 'backup';
      readonly by: Writer;
      readonly type: 'backup' | 'full';
      /** Number of one of `SELECTIONS`; 0 is everything. */
      readonly selection: number;
    }
  /** The backup is killed when this volume appears in the target. */
  | { readonly do: 'crash'; readonly by: Writer; readonly type: 'backup' | 'full'; readonly atVolume: number }
  /** Either program does it on a copy; what they leave is compared. */
  | { readonly do: 'remove'; readonly how: Removal; readonly keeps: Writer }
  | { readonly do: 'lose cache'; readonly of: Writer };

export type Removal =
  | { readonly verb: 'remove-all-but-n-full' | 'remove-all-inc-of-but-n-full'; readonly count: number }
  /** Older than the moment of this step from the beginning. */
  | { readonly verb: 'remove-older-than'; readonly step: number }
  | { readonly verb: 'cleanup' };

export interface Chronicle {
  readonly release: DuplicityPeerName;
  readonly mode: 'plain' | 'gzip' | 'symmetric';
  /** Both programs use one archive directory, as somebody does who changes from one to the other. */
  readonly sharedCache: boolean;
  /** Of a file that takes several volumes, for crashes between volumes; 0 for none. */
  readonly noiseBytes: number;
  readonly initial: TreeModel;
  readonly steps: readonly Step[];
}

/** Selections of a source; the first is everything. SOURCE stands for its path. */
export const SELECTIONS: readonly (readonly string[])[] = [
  [],
  ['--exclude', 'SOURCE/a'],
  ['--include', 'SOURCE/a', '--exclude', '**'],
  ['--exclude', '**b'],
  ['--include', 'SOURCE/A', '--exclude', 'SOURCE/[aA]*'],
  ['--include', '**a/b', '--exclude', 'SOURCE/a', '--exclude', 'SOURCE/b'],
  ['--exclude', 'SOURCE/a/'],
  ['--exclude-device-files'],
  ['--exclude-regexp', '[bn]$'],
  ['--exclude-older-than', '2017-01-01T00:00:00Z'],
  ['--include', 'ignorecase:SOURCE/A', '--exclude', 'SOURCE/*'],
];

export function chronicleArbitrary(): fc.Arbitrary<Chronicle> {
  const small = { maxEntries: 8, maxFileBytes: 140_000 };
  const by = fc.constantFrom<Writer>('redup', 'duplicity');
  const type = fc.constantFrom('backup' as const, 'backup' as const, 'backup' as const, 'full' as const);
  const selection = fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: SELECTIONS.length - 1 }) },
  );
  const change = fc.record({
    do: fc.constant('change' as const),
    mutations: fc.array(mutationArbitrary(small), { minLength: 1, maxLength: 4 }),
  });
  const backup = fc.record({ do: fc.constant('backup' as const), by, type, selection });
  const crash = fc.record({ do: fc.constant('crash' as const), by, type, atVolume: fc.integer({ min: 1, max: 2 }) });
  const verb = fc.constantFrom('remove-all-but-n-full' as const, 'remove-all-inc-of-but-n-full' as const);
  const how = fc.oneof(
    fc.record({ verb, count: fc.integer({ min: 1, max: 2 }) }),
    fc.record({ verb: fc.constant('remove-older-than' as const), step: fc.nat(8) }),
    fc.constant({ verb: 'cleanup' as const }),
  );
  const remove = fc.record({ do: fc.constant('remove' as const), how, keeps: by });
  const lose = fc.record({ do: fc.constant('lose cache' as const), of: by });
  const calm = [
    { weight: 5, arbitrary: change },
    { weight: 6, arbitrary: backup },
    { weight: 1, arbitrary: remove },
    { weight: 1, arbitrary: lose },
  ];
  const chronicle = (noiseBytes: number, step: fc.Arbitrary<Step>): fc.Arbitrary<Chronicle> =>
    fc.record({
      release: fc.constantFrom(...DUPLICITY_PEERS),
      mode: fc.constantFrom('plain' as const, 'gzip' as const, 'symmetric' as const),
      sharedCache: fc.boolean(),
      noiseBytes: fc.constant(noiseBytes),
      initial: treeArbitrary(small),
      steps: fc.array(step, { minLength: 3, maxLength: 8 }),
    });
  return fc.oneof(
    { weight: 3, arbitrary: chronicle(0, fc.oneof(...calm)) },
    { weight: 1, arbitrary: chronicle(3_500_000, fc.oneof(...calm, { weight: 3, arbitrary: crash })) },
  );
}
