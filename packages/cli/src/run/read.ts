/** `restore`, `verify`, `list-current-files`. */

import { UsageError } from '../arguments/usage-error.js';
import { type ArchiveTime, type FileEntry, formatTime, parseTime, type RestoreResult } from '../engine.js';
import { DIFFERENCES, OK } from '../exit-codes.js';
import type { Values } from '../options/index.js';
import { INFO_CODE } from '../output/codes.js';
import { jsonPath, pathText, TYPE_WORDS } from '../output/events.js';
import { counted, grouped, humanBytes, localTime } from '../output/format.js';
import { quoted } from '../output/text.js';
import { archiveSelectionOf, selectionOf } from './selection.js';
import { type Session, timeContext, withRepository } from './session.js';
import { defined } from './target.js';

export async function runRestore(session: Session): Promise<number> {
  const { values, invocation, signal } = session;
  const [url = '', target = ''] = invocation.operands;
  const select = archiveSelectionOf(session);
  return withRepository(session, { url, purpose: 'read' }, async (repository) => {
    const dryRun = values['dry-run'] === true;
    const result = await repository.restore({
      target,
      signal,
      dryRun,
      ...defined({
        time: restoreTime(values),
        path: values['path-to-restore'],
        force: values.force,
        ignoreErrors: values['ignore-errors'],
        renames: values.rename,
        select,
      }),
      ownership: values['no-restore-ownership'] === true ? 'skip' : 'restore',
    });
    const exitCode = result.problems > 0 ? DIFFERENCES : OK;
    tellRestored(session, result);
    session.report({ type: 'result', command: 'restore', exitCode, dryRun, ...result });
    return exitCode;
  });
}

function tellRestored({ log }: Session, { needed, files, bytes, time, problems }: RestoreResult): void {
  if (needed !== undefined) {
    log.notice('Required volumes to restore:', ...(needed.length === 0 ? [''] : needed).map((name) => `\t${name}`));
    return;
  }
  const done = `Restored ${counted(files, 'entry', 'entries')}, ${humanBytes(bytes)}, as of ${localTime(time)}`;
  if (problems === 0) log.notice(done);
  else log.warning(`${done}; ${grouped(problems)} of them not as stored: see the warnings above`);
}

export async function runVerify(session: Session): Promise<number> {
  const { values, log, invocation, signal } = session;
  const [url = '', local] = invocation.operands;
  const compare =
    values['compare-data'] === true ? 'data' : values['compare-metadata'] === true ? 'metadata' : 'nothing';
  if (local === undefined && (compare !== 'nothing' || invocation.rules.length > 0))
    throw new UsageError('verify needs two arguments, URL TARGET: there is nothing to compare the backup with');
  const select = local === undefined ? undefined : selectionOf(session, local);
  return withRepository(session, { url, purpose: 'read' }, async (repository) => {
    const result = await repository.verify({
      compare,
      signal,
      ...defined({
        local,
        time: restoreTime(values),
        path: values['path-to-restore'],
        ignoreErrors: values['ignore-errors'],
        select,
      }),
    });
    const { files, differences, problems, volumes, bytes } = result;
    const exitCode = differences > 0 || problems > 0 ? DIFFERENCES : OK;
    const read = `${counted(volumes, 'volume was', 'volumes were')} read back (${humanBytes(bytes)}): hashes, encryption and structure are right`;
    log.notice(`Verify complete: ${files} file(s) compared, ${differences} difference(s) found.`);
    if (problems > 0)
      log.warning(
        `${counted(problems, 'entry or volume', 'entries or volumes')} could not be read back: see the warnings above`,
      );
    else if (compare === 'nothing')
      log.notice(`${read}; nothing was compared${local === undefined ? '' : ` with ${local} (use --compare-data)`}`);
    else log.notice(`${read}; ${compare === 'data' ? 'metadata and contents were' : 'metadata alone was'} compared`);
    session.report({ type: 'result', command: 'verify', exitCode, compared: compare, ...result });
    return exitCode;
  });
}

export async function runList(session: Session): Promise<number> {
  const { values, log, invocation, signal } = session;
  const [url = ''] = invocation.operands;
  return withRepository(session, { url, purpose: 'look' }, async (repository) => {
    let files = 0;
    const options = defined({ time: restoreTime(values), path: values['path-to-restore'] });
    for await (const entry of repository.files({ ...options, signal })) {
      files++;
      listEntry(session, entry);
      if (session.outputIsBroken()) return OK;
    }
    log.flush();
    session.report({ type: 'result', command: 'list-current-files', exitCode: OK, files });
    return OK;
  });
}

function listEntry({ log }: Session, entry: FileEntry): void {
  if (log.options.json) {
    const { path, type: kind, linkName, userName, groupName, ...facts } = entry;
    const names = { ...jsonPath(userName, 'userName'), ...jsonPath(groupName, 'groupName') };
    const link = linkName === '' ? {} : jsonPath(linkName, 'linkName');
    log.json({ type: 'entry', ...jsonPath(path), kind, ...facts, ...names, ...link });
    return;
  }
  const path = pathText(entry.path);
  log.listed({
    level: 'info',
    code: INFO_CODE.fileListed,
    extra: `${formatTime(entry.mtime)} ${quoted(path)} ${TYPE_WORDS[entry.type] ?? entry.type}`,
    lines: [`${localTime(entry.mtime)} ${path}`],
    asked: true,
  });
}

function restoreTime(values: Values): ArchiveTime | undefined {
  const { 'restore-time': text } = values;
  return text === undefined ? undefined : parseTime(text, timeContext(values));
}
