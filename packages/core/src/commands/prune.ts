/** `remove-older-than`, `remove-all-but-n-full`, `remove-all-inc-of-but-n-full`: old chains go, or their incrementals. */

import { type ArchiveTime, type Moment, toText } from '../archive/index.js';
import {
  endOf,
  lastFullOf,
  planRetention,
  type RetentionPlan,
  type RetentionRule,
  setsOf,
  startTimeOf,
} from '../collection/index.js';
import { RedupError } from '../errors.js';
import { lockedWhen, namesOf, type RemovalOptions, remove } from './remove.js';
import { tellCollection, warnOfLeftovers } from './synchronize.js';
import type { Workspace } from './workspace.js';

/** What is old; a time may be a date or what users type, such as `6M`. */
export type PruneRule = RetentionRule | { readonly remove: 'older-than'; readonly time: Moment };

export interface PruneOptions extends RemovalOptions<PrunePlan> {
  readonly rule: PruneRule;
}

export interface PlanPruneOptions {
  readonly rule: PruneRule;
  readonly signal?: AbortSignal;
}

export interface PrunedChain {
  readonly start: ArchiveTime;
  readonly end: ArchiveTime;
  /** How many of its sets go. */
  readonly sets: number;
}

export interface PrunePlan {
  readonly rule: RetentionRule;
  /** Oldest first. */
  readonly chains: readonly PrunedChain[];
  /** When the signature chains end that go, or lose their incrementals; oldest first. */
  readonly signatureChains: readonly ArchiveTime[];
  /** In the target, in the order of deletion. */
  readonly files: readonly string[];
  /** Times of sets that are old enough, but needed by newer ones: they stay. */
  readonly neededByNewer: readonly ArchiveTime[];
  /** The last chain is old enough too. It stays nevertheless. */
  readonly lastIsMeant: boolean;
  /** Time of the last full backup. */
  readonly lastFull?: ArchiveTime;
}

export interface PruneResult extends PrunePlan {
  /** Whether it was done. */
  readonly deleted: boolean;
}

/** Looks, and deletes nothing. @throws RedupError BAD_OPTION; StorageError */
export function planPrune(workspace: Workspace, { rule, signal }: PlanPruneOptions): Promise<PrunePlan> {
  return prune(workspace, { rule, ...(signal === undefined ? {} : { signal }) });
}

/**
 * Deletes what a plan names, and nothing else.
 * @throws RedupError PLAN_OUTDATED when the target is no longer what the plan was made of; LOCKED; StorageError
 */
export function executePrune(
  workspace: Workspace,
  plan: PrunePlan,
  options: { readonly signal?: AbortSignal } = {},
): Promise<PruneResult> {
  return prune(workspace, {
    ...options,
    rule: plan.rule,
    force: true,
    onPlan: ({ files }) => {
      if (files.join('\n') === plan.files.join('\n')) return;
      throw new RedupError('PLAN_OUTDATED', 'The target has changed since the plan was made; nothing was deleted', {
        hint: 'Make a new plan.',
      });
    },
  });
}

/** @throws RedupError BAD_OPTION, LOCKED; StorageError */
export async function prune(workspace: Workspace, options: PruneOptions): Promise<PruneResult> {
  const { signal } = options;
  const rule = resolve(workspace, options.rule);
  checkRule(rule);
  const deletes = options.force === true && options.dryRun !== true;
  return lockedWhen(deletes, workspace, async () => {
    const remote = await workspace.remoteCollection(signal);
    warnOfLeftovers(workspace, remote);
    tellCollection(workspace, remote);
    const removal = planRetention(remote, rule);
    const plan = describe(removal, lastFullOf(remote), rule);
    options.onPlan?.(plan);
    if (deletes) await remove(workspace, removal, signal);
    return { ...plan, deleted: deletes && plan.files.length > 0 };
  });
}

function resolve(workspace: Workspace, rule: PruneRule): RetentionRule {
  if (rule.remove !== 'older-than') return rule;
  return { remove: 'older-than', time: workspace.timeOf(rule.time) ?? workspace.now() };
}

function checkRule(rule: RetentionRule): void {
  if (rule.remove === 'older-than' || (Number.isSafeInteger(rule.count) && rule.count >= 1)) return;
  throw new RedupError('BAD_OPTION', `${rule.count} is no number of full backups to keep`, {
    hint: 'Give a whole number from 1 on.',
  });
}

function describe(removal: RetentionPlan, lastFull: ArchiveTime | undefined, rule: RetentionRule): PrunePlan {
  const spared = rule.remove === 'incrementals-of-all-but-full' ? 1 : 0;
  return {
    rule,
    chains: removal.chains.map((chain) => ({
      start: startTimeOf(chain),
      end: endOf(chain),
      sets: setsOf(chain).length - spared,
    })),
    signatureChains: removal.signatureChains.map((chain) => chain.end),
    files: namesOf(removal).map(toText),
    neededByNewer: removal.neededByNewer.map((set) => set.span.time),
    lastIsMeant: removal.lastIsMeant,
    ...(lastFull === undefined ? {} : { lastFull }),
  };
}
