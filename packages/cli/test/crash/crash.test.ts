/**
 * The real command, killed: at every effect of a backup, and at random moments. Whatever it left, what was stored before restores,
 * and the next run goes on or starts clean. `npm run crash` kills at every effect of both kinds of backup, encrypted and not,
 * on both kinds of target, and at 200 random moments; CI does a part of it.
 */

import { randomFrom, withTempDir } from '@redup/testkit';
import { sharedS3Server, uniqueBucketName } from '@redup/testkit/s3';
import { describe, expect, test } from 'vitest';
import { Place } from './place.js';
import { type Kind, SEQUELS, Story } from './story.js';

const ALL = process.env['CRASH'] === 'all';
const SEED = Number(process.env['CRASH_SEED'] ?? Date.now() % 1_000_000);

interface Combination {
  readonly kind: Kind;
  readonly encrypted: boolean;
  readonly target: 'file' | 's3';
}

const COMBINATIONS: readonly Combination[] = (['incremental', 'full'] as const).flatMap((kind) =>
  [false, true].flatMap((encrypted) => (['file', 's3'] as const).map((target) => ({ kind, encrypted, target }))),
);

async function withStory(
  { kind, encrypted, target }: Combination,
  use: (story: Story, place: Place) => Promise<void>,
): Promise<void> {
  await withTempDir('crash', async (folder) => {
    const server = target === 's3' ? await sharedS3Server() : undefined;
    const s3 = server && { server, url: `s3://${uniqueBucketName()}/prefix` };
    const place = new Place(folder, { encrypted, ...(s3 === undefined ? {} : { s3 }) });
    const story = new Story(place, kind);
    await story.begin();
    await use(story, place);
  });
}

describe('killed at every effect', { timeout: 7_200_000 }, () => {
  test.each(ALL ? COMBINATIONS : COMBINATIONS.slice(0, 1))(
    'of an $kind backup (encrypted: $encrypted, $target)',
    async (combination) => {
      await withStory(combination, async (story, place) => {
        const before = await place.stored();
        const reset = await place.keep();
        const { calls, code } = await story.crash({ suffering: { kind: 'none' } });
        expect(code).toBe(0);
        const moments = calls.flatMap((call, index) => {
          const isSkipped = changesNothing(call) || (!ALL && isMoreOfTheSame(call, calls[index - 1]));
          return isSkipped ? [] : [index + 1];
        });
        for (const at of moments) {
          for (const sequel of ALL ? SEQUELS : [SEQUELS[at % SEQUELS.length] ?? 'resume']) {
            await reset();
            const run = await story.crash({ suffering: { kind: 'kill' }, at });
            const moment = `effect ${at}, ${run.calls.at(-1)}, then ${sequel}`;
            expect([0, 137], `${moment}: ${run.stderr}`).toContain(run.code);
            await story.check(before, sequel).catch((error: unknown) => {
              throw new Error(moment, { cause: error });
            });
          }
        }
        expect(moments.length).toBeGreaterThan(50);
      });
    },
  );
});

describe('killed at a random moment', { timeout: 7_200_000 }, () => {
  const moments = ALL ? 200 : 12;
  test(`${moments} times, the next run goes on or starts clean (seed ${SEED})`, async () => {
    const random = randomFrom(SEED);
    for (const [index, combination] of COMBINATIONS.entries()) {
      const share = Math.ceil((moments - index) / COMBINATIONS.length);
      await withStory(combination, async (story, place) => {
        const before = await place.stored();
        const reset = await place.keep();
        const started = performance.now();
        await story.crash({ suffering: { kind: 'none' } });
        const wholeMs = performance.now() - started;
        for (let round = 0; round < share; round++) {
          const killAfterMs = Math.round(wholeMs * (0.3 + 0.7 * random()));
          const sequel = SEQUELS[Math.floor(random() * SEQUELS.length)] ?? 'resume';
          await reset();
          await story.crash({ suffering: { kind: 'none' } }, killAfterMs);
          await story.check(before, sequel).catch((error: unknown) => {
            throw new Error(`${JSON.stringify(combination)} after ${killAfterMs} ms, then ${sequel}`, { cause: error });
          });
        }
      });
    }
  });
});

/** To a kill, not to a power cut. */
function changesNothing(call: string): boolean {
  return /^(f?data)?f?sync /.test(call);
}

/** Bytes of a volume follow one another: the first of them stand for all where time is short. */
function isMoreOfTheSame(call: string, last: string | undefined): boolean {
  return call.startsWith('write ') && call === last;
}
