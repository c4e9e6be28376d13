import { withTempDir } from '@redup/testkit';
import { describe, expect, it } from 'vitest';
import { findContenders, insertReport, measure, median, report, scenarios } from './index.js';

describe('the bench', () => {
  it('plays its scenarios with every program there is, and reports each step with its ratio', async () => {
    await withTempDir('bench', async (folder) => {
      const contenders = (await findContenders()).filter(({ name }) => !name.startsWith('borg'));
      const chosen = scenarios(0.002).filter(({ name }) => name === 'tiny' || name === 'big');
      expect(contenders.map(({ name }) => name.split(' ')[0])).toEqual(['redup', 'duplicity', 'duplicity', 'restic']);
      const samples = await measure({ folder, contenders, scenarios: chosen, rounds: 1 });
      const steps = chosen.reduce((sum, { steps }) => sum + steps.length, 0);
      expect(samples).toHaveLength(steps * contenders.length);
      for (const { seconds, peakBytes, storedBytes } of samples) {
        expect(Math.min(seconds, peakBytes, storedBytes)).toBeGreaterThan(0);
      }
      const text = report(samples, { scenarios: chosen, rounds: 1, scale: 0.002, date: new Date(0) });
      expect(text).toContain('Measured on 1970-01-01');
      expect(text.match(/\*\*× [\d.]+\*\*/g)).toHaveLength(steps * (contenders.length - 1));
    });
  }, 300_000);

  it('takes medians, and replaces only what stands between its marks', () => {
    expect([median([3, 1, 2]), median([4, 1]), median([])]).toEqual([2, 2.5, Number.NaN]);
    const page = 'a\n<!-- bench: begin, written by `npm run bench -- --write` -->\nold\n<!-- bench: end -->\nb\n';
    expect(insertReport(insertReport(page, 'first'), 'new')).toBe(page.replace('old', '\nnew\n'));
    expect(() => insertReport('none', 'x')).toThrow('no place');
  });
});
