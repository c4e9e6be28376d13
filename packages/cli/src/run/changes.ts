/** `collection-status` with `--file-changed`, `--show-changes-in-set` and `--jsonstat`, in duplicity's words. */

import { type FileVersion, formatTime, fromText, quotePath, type Repository, type SetChange } from '../engine.js';
import { OK } from '../exit-codes.js';
import type { JsonRecord } from '../json/records.js';
import { INFO_CODE } from '../output/codes.js';
import { jsonPath } from '../output/events.js';
import { localTime } from '../output/format.js';
import { jsonLines, jsonText } from '../output/json.js';
import type { ListWriter, Log } from '../output/log.js';
import { RULE, TYPE_AND_TIME, typeAndTime } from '../output/status-table.js';
import { textOf } from '../output/text.js';
import type { Session } from './session.js';

/** @param path as `--file-changed` was given */
export async function tellHistory(session: Session, repository: Repository, path: string): Promise<number> {
  const { log, signal } = session;
  const versions = await repository.fileHistory({ path, signal });
  log.message({ ...ASKED, lines: historyLines(path, versions) });
  session.report({ type: 'result', command: 'collection-status', exitCode: OK, ...jsonPath(fromText(path)), versions });
  return OK;
}

function historyLines(path: string, versions: readonly FileVersion[]): string[] {
  return [
    RULE,
    `File: ${path}`,
    `Total number of backup: ${versions.length}`,
    `${TYPE_AND_TIME}  ${'Type of file change:'.padStart(20)}`,
    ...versions.map(({ set, change }) => `${typeAndTime(set)}  ${CHANGES[change].padStart(20)}`),
    RULE,
  ];
}

const CHANGES = { new: 'New', changed: 'Changed', deleted: 'Deleted' } as const;
const ASKED = { level: 'info', code: INFO_CODE.collectionStatus, asked: true } as const;

/** @param index as `--show-changes-in-set` was given */
export async function tellChanges(session: Session, repository: Repository, index: number): Promise<number> {
  const { log, signal, values } = session;
  const asJson = values.jsonstat === true;
  const set = asJson && index === -1 ? {} : { set: index };
  const teller = asJson ? new JsonTeller(log) : new ListTeller(log);
  let shown = 0;
  for await (const change of repository.changes({ ...set, statistics: asJson, signal })) {
    log.json(jsonOf(change));
    if (change.kind === 'set') shown++;
    if (change.kind === 'set') teller.set(change);
    else teller.file(change);
    if (session.outputIsBroken()) return OK;
  }
  teller.end();
  session.report({ type: 'result', command: 'collection-status', exitCode: OK, shown });
  return OK;
}

type SetBegins = Extract<SetChange, { kind: 'set' }>;
type FileChanged = Extract<SetChange, { kind: 'file' }>;

function jsonOf(change: SetChange): JsonRecord {
  if (change.kind === 'file') return { type: 'change', change: change.change, ...jsonPath(change.path) };
  const { set, count, statistics } = change;
  return { type: 'set', set, changes: count, ...(statistics === undefined ? {} : { statistics }) };
}

/** Aligned columns. */
class ListTeller {
  readonly #log: Log;
  #list: ListWriter | undefined;
  #width = 0;

  constructor(log: Log) {
    this.#log = log;
  }

  set({ set, count, longestPath }: SetBegins): void {
    this.#width = Math.max(TITLE.length, longestPath);
    this.#list = this.#log.list(ASKED);
    this.#list.line(RULE);
    this.#list.line(` Backup set time: ${localTime(set.time)}`);
    this.#list.line(`Total number of changes: ${count}`);
    this.#row(TITLE, 'Type of file change:');
  }

  file({ change, path }: FileChanged): void {
    this.#row(textOf(quotePath(path)), change);
  }

  end(): void {
    this.#list?.line(RULE);
    this.#list?.close();
  }

  #row(name: string, change: string): void {
    const blanks = ' '.repeat(Math.max(0, this.#width - [...name].length));
    this.#list?.line(`${name}${blanks}  ${change.padStart(20)}`);
  }
}

const TITLE = 'File:';

/** `{"inc-TIME": {"json_stat": …, "files_changed": {PATH: CHANGE}}}`, indented by four. */
class JsonTeller {
  readonly #log: Log;
  #list: ListWriter | undefined;
  #inSet = false;
  /** Whether there is a comma behind it shows with what follows. */
  #held: string | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  set({ set, statistics = {} }: SetBegins): void {
    if (this.#list === undefined) {
      this.#list = this.#log.list(ASKED);
      this.#list.line('{');
    }
    this.#endSet('    },');
    this.#inSet = true;
    this.#list.line(`    ${jsonText(`${set.type}-${formatTime(set.time)}`)}: {`);
    const lines = jsonLines(statistics);
    for (const [index, line] of lines.entries())
      this.#list.line(`        ${index === 0 ? '"json_stat": ' : ''}${line}${index === lines.length - 1 ? ',' : ''}`);
  }

  file({ change, path }: FileChanged): void {
    this.#list?.line(this.#held === undefined ? '        "files_changed": {' : `${this.#held},`);
    this.#held = `            ${jsonText(textOf(quotePath(path)))}: "${change}"`;
  }

  end(): void {
    this.#endSet('    }');
    this.#list?.line('}');
    this.#list?.close();
  }

  #endSet(line: string): void {
    if (!this.#inSet) return;
    if (this.#held === undefined) this.#list?.line('        "files_changed": {}');
    else {
      this.#list?.line(this.#held);
      this.#list?.line('        }');
    }
    this.#held = undefined;
    this.#list?.line(line);
  }
}
