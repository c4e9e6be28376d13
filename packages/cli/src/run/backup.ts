/** `backup`, `full`, `incremental`. */

import { type BackupOptions, parseInterval, parseTime, type Repository } from '../engine.js';
import { OK } from '../exit-codes.js';
import type { Values } from '../options/index.js';
import { counted, localTime } from '../output/format.js';
import { jsonLines } from '../output/json.js';
import { statisticsLines } from '../output/statistics.js';
import { selectionOf } from './selection.js';
import { type Session, timeContext, withRepository } from './session.js';
import { defined } from './target.js';

const MIB = 2 ** 20;

export async function runBackup(session: Session): Promise<number> {
  const { values, log, invocation, signal } = session;
  const { command, operands } = invocation;
  const [source = '', url = ''] = operands;
  const dryRun = values['dry-run'] === true;
  const create = dryRun ? 'pretend' : 'if-missing';
  const select = selectionOf(session, source);
  return withRepository(session, { url, purpose: 'write', create }, async (repository) => {
    const type = await backupType(repository, session);
    const result = await repository.backup({ source, type, signal, ...defined({ ...backupOptions(values), select }) });
    if (!result.stored && !dryRun) log.notice('Nothing has changed; nothing was stored');
    if (result.storedStatistics !== undefined) log.notice(...jsonLines(result.storedStatistics));
    if (values['no-print-statistics'] !== true)
      log.message({ level: 'notice', lines: statisticsLines(result.statistics) });
    if (result.statistics.errors > 0) {
      const { errors } = result.statistics;
      log.warning(
        `${counted(errors, 'entry could not be stored as it is', 'entries could not be stored as they are')}; see above`,
      );
    }
    session.report({
      type: 'result',
      command: command === 'full' || command === 'incremental' ? command : 'backup',
      exitCode: OK,
      backup: result.type,
      time: result.time,
      timeText: localTime(result.time),
      fullTime: result.fullTime,
      volumes: result.volumes,
      stored: result.stored,
      statistics: result.statistics,
    });
    return OK;
  });
}

/** `--full-if-n-inc` needs to look at the chain; everything else is the engine's decision. */
async function backupType(
  repository: Repository,
  { invocation, values, signal }: Session,
): Promise<'auto' | 'full' | 'incremental'> {
  const { command } = invocation;
  const asked = command === 'full' || command === 'incremental' ? command : 'auto';
  const { 'full-if-n-inc': most } = values;
  if (most === undefined || asked === 'full') return asked;
  const { chains } = await repository.status({ signal });
  const sets = chains.find((chain) => chain.primary)?.sets ?? [];
  return sets.filter((set) => set.type === 'inc').length >= most ? 'full' : asked;
}

function backupOptions(values: Values): Partial<BackupOptions> {
  const { volsize, 'full-if-older-than': olderThan, 'max-blocksize': maxBlock } = values;
  return defined({
    fullIfOlderThan: olderThan === undefined ? undefined : ageOf(olderThan, values),
    volumeBytes: volsize === undefined ? undefined : Math.round(volsize * MIB),
    followLinks: values['copy-links'],
    // Rounded up, as in duplicity.
    maxBlockBytes: maxBlock === undefined ? undefined : Math.ceil(maxBlock / 512) * 512,
    allowSourceMismatch: values['allow-source-mismatch'],
    concurrency: values.concurrency === undefined ? undefined : Math.max(1, values.concurrency),
    listFiles: values['no-files-changed'] === true ? false : undefined,
    skipIfNoChange: values['skip-if-no-change'],
    storeStatistics: values.jsonstat,
    force: values.force,
    dryRun: values['dry-run'],
  }) as Partial<BackupOptions>;
}

/** Release 3 takes intervals alone, 0.8 any time. */
function ageOf(text: string, values: Values): number {
  const context = timeContext(values);
  return parseInterval(text) ?? context.now - parseTime(text, context);
}
