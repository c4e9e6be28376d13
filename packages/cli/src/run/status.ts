/** `collection-status`, in duplicity's words, with records that programs read. */

import { type ChainStatus, type CollectionStatus, formatTime, type SetStatus } from '../engine.js';
import { OK } from '../exit-codes.js';
import { INFO_CODE } from '../output/codes.js';
import { localTime } from '../output/format.js';
import { type Session, withRepository } from './session.js';

export async function runStatus(session: Session): Promise<number> {
  const { log, invocation, signal } = session;
  const [url = ''] = invocation.operands;
  return withRepository(session, { url, purpose: 'look' }, async (repository) => {
    const status = await repository.status({ signal });
    log.notice(`Last full backup date: ${lastFull(status)}`);
    log.message({
      level: 'info',
      code: INFO_CODE.collectionStatus,
      extra: statusRecord(status),
      lines: statusLines(status),
      asked: true,
    });
    session.report({ type: 'result', command: 'collection-status', exitCode: OK, ...status });
    return OK;
  });
}

function lastFull({ chains }: CollectionStatus): string {
  const last = chains.at(-1)?.sets[0];
  return last === undefined ? 'none' : localTime(last.time);
}

/** duplicity names the class of its own that every storage is wrapped in. */
const BACKEND = 'BackendWrapper';

export function statusLines(status: CollectionStatus): string[] {
  const primary = status.chains.find((chain) => chain.primary);
  const secondary = status.chains.filter((chain) => !chain.primary);
  return [
    'Collection Status',
    '-----------------',
    `Connecting with backend: ${BACKEND}`,
    `Archive dir: ${status.archiveDirectory}`,
    '',
    `Found ${secondary.length} secondary backup chain(s).`,
    ...secondary.flatMap((chain, index) => [
      `Secondary chain ${index + 1} of ${secondary.length}:`,
      ...chainLines(chain),
      '',
    ]),
    '',
    ...(primary === undefined
      ? ['No backup chains with active signatures found']
      : ['Found primary backup chain with matching signature chain:', ...chainLines(primary)]),
    ...leftovers(status),
  ];
}

const RULE = '-------------------------';

function chainLines({ start, end, sets }: ChainStatus): string[] {
  return [
    RULE,
    `Chain start time: ${localTime(start)}`,
    `Chain end time: ${localTime(end)}`,
    `Number of contained backup sets: ${sets.length}`,
    `Total number of contained volumes: ${sets.reduce((sum, set) => sum + set.volumes, 0)}`,
    columns('Type of backup set:', 'Time:', 'Num volumes:'),
    ...sets.map((set) => columns(set.type === 'full' ? 'Full' : 'Incremental', localTime(set.time), `${set.volumes}`)),
    RULE,
  ];
}

function columns(type: string, time: string, volumes: string): string {
  return [type.padStart(20), time.padStart(30), volumes.padStart(15)].join('   ');
}

function leftovers({ orphanedSets, incompleteSets }: CollectionStatus): string[] {
  const orphaned = orphanedSets.length;
  const incomplete = incompleteSets.length;
  if (orphaned + incomplete === 0) return ['No orphaned or incomplete backup sets found.'];
  return [
    ...(orphaned === 0 ? [] : [`Also found ${orphaned} backup set(s) not part of any chain,`]),
    ...(incomplete === 0 ? [] : [`and ${incomplete} incomplete backup set(s).`]),
    'These may be deleted by running duplicity with the "cleanup" command.',
  ];
}

/** One line each behind the record's head, up to the text. */
export function statusRecord(status: CollectionStatus): string {
  const { chains, orphanedSets, incompleteSets } = status;
  const secondary = chains.filter((chain) => !chain.primary);
  const primary = chains.find((chain) => chain.primary);
  return [
    '',
    `backend ${BACKEND}`,
    `archive-dir ${status.archiveDirectory}`,
    ...secondary.flatMap((chain, index) => [`chain-no-sig ${index}`, ...chain.sets.map(setRecord)]),
    ...(primary === undefined ? [] : ['chain-complete', ...primary.sets.map(setRecord)]),
    `orphaned-sets-num ${orphanedSets.length}`,
    `incomplete-sets-num ${incompleteSets.length}`,
  ].join('\n');
}

function setRecord({ type, time, volumes, encrypted }: SetStatus): string {
  return ` ${type} ${formatTime(time)} ${volumes} ${encrypted ? 'enc' : 'noenc'}`;
}
