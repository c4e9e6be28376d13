/** `remove-older-than`, `remove-all-but-n-full`, `remove-all-inc-of-but-n-full`, `cleanup`, in duplicity's words. */

import { UsageError } from '../arguments/usage-error.js';
import type { CommandName } from '../commands.js';
import { type CleanupPlan, type PrunePlan, parseTime, type RetentionRule } from '../engine.js';
import { OK } from '../exit-codes.js';
import { localTime } from '../output/format.js';
import { type Session, timeContext, withRepository } from './session.js';

/** Which command a rule is. */
const PRUNING = {
  'older-than': 'remove-older-than',
  'all-but-full': 'remove-all-but-n-full',
  'incrementals-of-all-but-full': 'remove-all-inc-of-but-n-full',
} as const satisfies Record<RetentionRule['remove'], CommandName>;

export async function runPrune(session: Session): Promise<number> {
  const { invocation } = session;
  const [, url = ''] = invocation.operands;
  const rule = ruleOf(session);
  return withRepository(session, { url, purpose: 'look' }, async (repository) => {
    const { rule: _, ...result } = await repository.prune({
      rule,
      ...switches(session),
      onPlan: (plan) => tellPrune(session, plan, rule),
    });
    session.report({ type: 'result', command: PRUNING[rule.remove], exitCode: OK, ...result });
    return OK;
  });
}

export async function runCleanup(session: Session): Promise<number> {
  const { invocation } = session;
  const [url = ''] = invocation.operands;
  return withRepository(session, { url, purpose: 'look' }, async (repository) => {
    const result = await repository.cleanup({ ...switches(session), onPlan: (plan) => tellCleanup(session, plan) });
    session.report({ type: 'result', command: 'cleanup', exitCode: OK, ...result });
    return OK;
  });
}

function switches({ values, signal }: Session) {
  return { force: values.force === true, dryRun: values['dry-run'] === true, signal };
}

/** @throws UsageError, RedupError BAD_TIME */
function ruleOf({ invocation: { command, operands }, values }: Session): RetentionRule {
  const [text = ''] = operands;
  if (command === 'remove-older-than') return { remove: 'older-than', time: parseTime(text, timeContext(values)) };
  const count = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (count < 1) throw new UsageError(`${command}: COUNT must be a whole number from 1 on, not ${text}`);
  return { remove: command === 'remove-all-but-n-full' ? 'all-but-full' : 'incrementals-of-all-but-full', count };
}

function tellPrune({ log, values }: Session, plan: PrunePlan, rule: RetentionRule): void {
  if (plan.neededByNewer.length > 0) {
    log.warning(
      'There are backup set(s) at time(s):',
      ...plan.neededByNewer.map(localTime),
      "Which can't be deleted because newer sets depend on them.",
    );
  }
  if (plan.lastIsMeant) {
    log.warning(
      'Current active backup chain is older than specified time.  However, it will not be deleted.  ' +
        'To remove all your backups, manually purge the repository.',
    );
  }
  const times = plan.chains.map((chain) => localTime(chain.end));
  if (times.length === 0) {
    log.notice('No old backup sets found, nothing deleted.');
    return;
  }
  if (values.force !== true) {
    log.notice(
      'Found old backup chain(s) at the following time:',
      ...times,
      'Rerun command with --force option to actually delete.',
    );
    return;
  }
  log.notice('Deleting backup chain(s) at time:', ...times);
  const [what, at] =
    rule.remove === 'incrementals-of-all-but-full' ? ['any incremental', ' rooted at'] : ['complete', ''];
  for (const time of plan.signatureChains.map(localTime).reverse())
    log.notice(`Deleting ${what} signature chain${at} ${time}`);
  for (const time of times.reverse()) log.notice(`Deleting ${what} backup chain${at} ${time}`);
}

function tellCleanup({ log, values }: Session, { files, resumable }: CleanupPlan): void {
  if (files.length === 0) {
    log.warning('No extraneous files found, nothing deleted in cleanup.');
    return;
  }
  if (resumable !== undefined) {
    log.warning(
      values.force === true
        ? `The backup of ${localTime(resumable)}, which was interrupted, cannot be gone on with any more`
        : `Among them is the backup of ${localTime(resumable)}, which was interrupted: the next backup would go on with it`,
    );
  }
  if (values.force === true) log.notice('Deleting these file(s) from backend:', ...files);
  else {
    log.notice(
      'Found the following file(s) to delete:',
      ...files,
      'Run redup again with the --force option to actually delete.',
    );
  }
}
