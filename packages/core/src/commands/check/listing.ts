/** What a listing and the manifests tell without reading any volume: what is missing, left over or of the wrong size. Pure. */

import { formatTime, type Manifest, setKey, toText, type VolumeInfo } from '../../archive/index.js';
import { type BackupSet, type Collection, setsOf } from '../../collection/index.js';
import { comparePaths } from '../../tree/index.js';
import { isCheckable } from '../../volumes/index.js';
import { type KnownSet, nameOf, timesFrom } from './catalogue.js';
import type { FindingLog, NewFinding } from './findings.js';

const COPY_BACK = 'If the file lies elsewhere, copy it back. restore --ignore-errors restores what other volumes hold.';
const REBUILD = 'Run check --repair: signatures are made again from the volumes.';

export function checkListing(remote: Collection, known: readonly KnownSet[], findings: FindingLog): void {
  for (const each of known) {
    checkManifest(each, findings);
    if (each.chain !== undefined || each.manifestState === 'lost') checkSignatures(each, findings);
    if (each.manifest === undefined) checkNumbers(each, findings);
    else {
      checkNames(each, each.manifest, findings);
      checkVolumes(each, each.manifest.volumes, findings);
    }
  }
  checkOrphans(remote, known, findings);
}

function checkManifest({ set, chain, manifestState, manifest }: KnownSet, findings: FindingLog): void {
  const time = formatTime(set.span.time);
  if (manifestState === 'lost') {
    findings.add({
      code: 'MANIFEST_MISSING',
      message: `The backup of ${time} has no manifest, but all else shows that it was complete`,
      ...about(set),
      affects: 'restores',
      times: timesFrom(set, chain),
      repair: { what: 'manifest', set, trustCopy: true },
      hint: 'Run check --repair, which makes it from the volumes; restore --ignore-errors does without.',
    });
  } else if (manifestState === 'none') {
    findings.add({
      code: 'SET_UNFINISHED',
      message: `The backup of ${time} was not finished`,
      ...about(set),
      affects: 'nothing',
      hint: 'The next backup goes on with it where it can; cleanup removes what is left otherwise.',
    });
  } else if (manifestState === 'hidden') {
    findings.add({
      code: 'NOT_READABLE',
      message: `The manifest ${nameOf(set.manifest)} cannot be read here without the key${manifest === undefined ? '' : '; its copy in the archive directory was used'}`,
      object: nameOf(set.manifest),
      affects: 'nothing',
      hint: 'Check again where the secret key is.',
    });
  }
}

function about(set: BackupSet): Pick<NewFinding, 'object'> | Record<string, never> {
  const [first] = set.volumes.values();
  return first === undefined ? {} : { object: toText(first.name) };
}

function checkVolumes({ set, chain }: KnownSet, volumes: ReadonlyMap<number, VolumeInfo>, findings: FindingLog): void {
  const times = timesFrom(set, chain);
  let last: VolumeInfo | undefined;
  for (const info of volumes.values()) {
    const file = set.volumes.get(info.number);
    const paths = { first: info.start.path, last: info.end.path };
    const object = nameOf(file);
    if (file === undefined) {
      const message = `Volume ${info.number} of the backup of ${formatTime(set.span.time)} is missing`;
      findings.add({ code: 'VOLUME_MISSING', message, paths, times, affects: 'restores', hint: COPY_BACK });
      continue;
    }
    const expected = info.size ?? (file.parsed.encoding === 'openpgp' && file.size === 0 ? 'more' : file.size);
    if (file.size >= 0 && expected !== file.size) {
      const message = `Volume ${object} has ${file.size} bytes, it was stored with ${expected}`;
      findings.add({ code: 'VOLUME_SIZE', message, object, paths, times, affects: 'restores', hint: COPY_BACK });
    }
    if (!isCheckable(info.hashes)) {
      const message = `The manifest has no known hash of ${object}`;
      const hint = 'Nothing need be done: check --read-data proves it by its own structure.';
      findings.add({ code: 'NO_HASH', message, object, affects: 'nothing', hint });
    }
    if (last !== undefined && comparePaths(info.start.path, last.end.path) < 0 && info.start.path !== '') {
      findings.add(wrong(set, `volume ${info.number} begins before volume ${last.number} ends`, times));
    }
    last = info;
  }
}

function wrong(set: BackupSet, what: string, times: NewFinding['times']): NewFinding {
  return {
    code: 'MANIFEST_WRONG',
    message: `The manifest ${nameOf(set.manifest)} is wrong: ${what}`,
    object: nameOf(set.manifest),
    affects: 'restores',
    times: times ?? [],
    repair: { what: 'manifest', set, trustCopy: false },
    hint: 'Run check --repair: it is made again from the volumes. Until then restore everything, not single paths.',
  };
}

/** Volumes that no manifest speaks of: at least none may be missing between others. */
function checkNumbers({ set, chain, manifestState }: KnownSet, findings: FindingLog): void {
  if (manifestState === 'none' || manifestState === 'hidden') return;
  const last = Math.max(0, ...set.volumes.keys());
  for (let number = 1; number <= last; number++) {
    if (set.volumes.has(number)) continue;
    findings.add({
      code: 'VOLUME_MISSING',
      message: `Volume ${number} of the backup of ${formatTime(set.span.time)} is missing`,
      times: timesFrom(set, chain),
      affects: 'restores',
      hint: COPY_BACK,
    });
  }
}

/** A manifest that passes over what is stored hides files. */
function checkNames({ set, chain }: KnownSet, manifest: Manifest, findings: FindingLog): void {
  const unnamed = [...set.volumes.keys()].filter(
    (number) => !manifest.volumes.has(number) && manifest.superseded?.has(number) !== true,
  );
  const times = timesFrom(set, chain);
  if (manifest.volumes.size === 0) findings.add(wrong(set, 'it names no volume', times));
  else if (unnamed.length > 0)
    findings.add(wrong(set, `it does not name volume ${unnamed.join(', ')}, which is stored`, times));
}

function checkSignatures({ set, chain, signatures }: KnownSet, findings: FindingLog): void {
  const times = timesFrom(set, chain);
  const affects = 'lists-and-increments';
  const repair = { what: 'signatures', set, trustCopy: true } as const;
  if (signatures === undefined) {
    const message = `The signatures of the backup of ${formatTime(set.span.time)} are missing`;
    findings.add({ code: 'SIGNATURES_MISSING', message, affects, times, repair, hint: REBUILD });
  } else if (signatures.size === 0) {
    const object = nameOf(signatures);
    const message = `The signature file ${object} is empty`;
    findings.add({ code: 'SIGNATURES_DAMAGED', message, object, affects, times, repair, hint: REBUILD });
  }
}

function checkOrphans(remote: Collection, known: readonly KnownSet[], findings: FindingLog): void {
  for (const set of remote.orphanedSets) {
    const start = set.span.type === 'inc' ? set.span.start : set.span.time;
    findings.add({
      code: 'SET_ORPHANED',
      message: `The backup of ${formatTime(set.span.time)} builds on one of ${formatTime(start)} that is not there`,
      object: nameOf(set.manifest),
      affects: 'restores',
      times: [set.span.time],
      hint: 'If the files of that backup lie elsewhere, copy them back. What cannot be completed is removed by cleanup.',
    });
  }
  const sets = new Set(known.map(({ set }) => setKey(set.span)));
  const chained = new Set(remote.chains.flatMap(setsOf).map((set) => setKey(set.span)));
  for (const file of remote.orphanedSignatures) {
    const key = setKey(file.parsed.span);
    if (chained.has(key) || sets.has(key)) continue;
    const object = nameOf(file);
    const message = `The signature file ${object} belongs to no backup`;
    findings.add({ code: 'SIGNATURES_ORPHANED', message, object, affects: 'nothing', hint: 'cleanup removes it.' });
  }
}
