/** `collection-status`, in duplicity's words, with records that programs read. */

import { type ChainStatus, type CollectionStatus, formatTime, type SetStatus } from '../engine.js';
import { OK } from '../exit-codes.js';
import { INFO_CODE } from '../output/codes.js';
import { localTime } from '../output/format.js';
import { RULE, TYPE_AND_TIME, typeAndTime } from '../output/status-table.js';
import { tellChanges, tellHistory } from './changes.js';
import { type Session, withRepository } from './session.js';

export async function runStatus(session: Session): Promise<number> {
  const { log, invocation, signal, values } = session;
  const [url = ''] = invocation.operands;
  return withRepository(session, { url, purpose: 'look' }, async (repository) => {
    const { 'file-changed': path, 'show-changes-in-set': set } = values;
    if (path !== undefined) return tellHistory(session, repository, path);
    if (set !== undefined) return tellChanges(session, repository, set);
    const status = await repository.status({ signal });
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
    ...(primary === undefined
      ? ['No backup chains with active signatures found']
      : ['', 'Found primary backup chain with matching signature chain:', ...chainLines(primary)]),
    ...leftovers(status),
  ];
}

function chainLines({ start, end, sets }: ChainStatus): string[] {
  return [
    RULE,
    `Chain start time: ${localTime(start)}`,
    `Chain end time: ${localTime(end)}`,
    `Number of contained backup sets: ${sets.length}`,
    `Total number of contained volumes: ${sets.reduce((sum, set) => sum + set.volumes, 0)}`,
    `${TYPE_AND_TIME}   ${'Num volumes:'.padStart(15)}`,
    ...sets.map((set) => `${typeAndTime(set)}   ${`${set.volumes}`.padStart(15)}`),
    RULE,
  ];
}

function leftovers({ orphanedSets, incompleteSets }: CollectionStatus): string[] {
  const orphaned = orphanedSets.length;
  const incomplete = incompleteSets.length;
  if (orphaned + incomplete === 0) return ['No orphaned or incomplete backup sets found.'];
  return [
    `Also found ${orphaned} backup set(s) not part of any chain,`,
    `and ${incomplete} incomplete backup set(s).`,
    'These may be deleted by running redup with the "cleanup" command.',
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
