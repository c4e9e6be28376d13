/**
 * `check --repair`: what was found and can be made again is. A lost manifest or signature file comes from its copy in the
 * archive directory, if that is whole, or from the volumes; a wrong copy goes, to be fetched again. Volumes are never
 * touched. Each step stores one object whole, so that an interruption leaves nothing worse than before.
 */

import { copyFileSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ArchiveName,
  END,
  type Encoding,
  formatName,
  type ManifestHeader,
  MORE,
  type ObjectKind,
  setKey,
  toText,
} from '../../archive/index.js';
import { readManifest } from '../../cache/index.js';
import { type BackupChain, type BackupSet, type NamedFile, setsOf } from '../../collection/index.js';
import { MergedSignatures } from '../../delta/index.js';
import { errorOfEngine } from '../../error-conversion.js';
import { readPieces, Sealer } from '../../volumes/index.js';
import { sealFile } from '../seal-file.js';
import type { Workspace } from '../workspace.js';
import { isDamage, type KnownSet, localManifest, volumesOf } from './catalogue.js';
import type { RepairNeed } from './findings.js';
import { rebuildManifest, rebuildSignatures } from './rebuild.js';

export interface Repair {
  readonly what: RepairNeed['what'];
  /** The object in the target, or of `copy` its counterpart there. */
  readonly object: string;
  /** Where it came from; undefined when it could not be made. */
  readonly from?: 'copy' | 'volumes' | 'target';
  /** What could not be done, or is missing in what was made. */
  readonly problem?: string;
}

export interface RepairOptions {
  readonly needs: readonly RepairNeed[];
  readonly known: readonly KnownSet[];
  readonly signal?: AbortSignal;
}

/** Manifests first: signatures are made from what they name. @throws RedupError for what is no fault of the archive */
export async function repair(workspace: Workspace, { needs, known, signal }: RepairOptions): Promise<Repair[]> {
  workspace.phase('repair');
  const work = new RepairRun(workspace, known, signal);
  const repairs: Repair[] = [];
  for (const what of ['copy', 'manifest', 'signatures'] as const) {
    const wanted = needs.filter((need) => need.what === what).sort((a, b) => a.set.span.time - b.set.span.time);
    if (what === 'signatures') repairs.push(...(await work.signatures(wanted)));
    else for (const need of wanted) repairs.push(await (what === 'copy' ? work.copy(need) : work.manifest(need)));
  }
  for (const each of repairs) workspace.notice(sentenceOf(each));
  return repairs;
}

function sentenceOf({ object, from, what, problem }: Repair): string {
  const more = problem === undefined ? '' : `: ${problem}`;
  if (from === undefined) return `Could not repair ${object}${more}`;
  if (what === 'copy') return `Removed the wrong copy of ${object}: it is fetched again`;
  const source = from === 'copy' ? 'the copy in the archive directory' : 'the volumes';
  return `Stored ${object} again, made from ${source}${more}`;
}

class RepairRun {
  readonly #workspace: Workspace;
  readonly #known: KnownSet[];
  readonly #signal: AbortSignal | undefined;

  constructor(workspace: Workspace, known: readonly KnownSet[], signal: AbortSignal | undefined) {
    this.#workspace = workspace;
    this.#known = [...known];
    this.#signal = signal;
  }

  async copy({ set }: RepairNeed): Promise<Repair> {
    this.#dropCopy('manifest', set);
    return { what: 'copy', object: this.#nameOf('manifest', set), from: 'target' };
  }

  async manifest({ set, trustCopy }: RepairNeed): Promise<Repair> {
    const object = this.#nameOf('manifest', set);
    const index = this.#known.findIndex((each) => each.set === set);
    const known = this.#known[index];
    if (known === undefined) return { what: 'manifest', object, problem: 'it belongs to no backup' };
    const place = this.#temporary('manifest');
    try {
      const from = trustCopy && (await this.#takeManifestCopy(set, place)) ? 'copy' : 'volumes';
      if (from === 'volumes')
        await rebuildManifest(this.#workspace, known, this.#headerFor(known), place, this.#signalled());
      await this.#store('manifest', set, place);
      this.#known[index] = { ...known, manifest: await readManifest(readPieces(place), place), manifestState: 'good' };
      return { what: 'manifest', object, from };
    } catch (error) {
      return { what: 'manifest', object, problem: problemOf(error) };
    } finally {
      rmSync(place, { force: true });
    }
  }

  async signatures(needs: readonly RepairNeed[]): Promise<Repair[]> {
    const repairs: Repair[] = [];
    const toBuild: BackupSet[] = [];
    for (const { set, trustCopy } of needs) {
      const place = trustCopy ? await this.#takeSignatureCopy(set) : undefined;
      if (place === undefined) toBuild.push(set);
      else repairs.push(await this.#storeSignatures(set, place, 'copy'));
    }
    const chains = new Set(
      this.#known.flatMap(({ set, chain }) => (chain !== undefined && toBuild.includes(set) ? [chain] : [])),
    );
    for (const chain of chains) repairs.push(...(await this.#buildSignatures(chain, toBuild)));
    return repairs;
  }

  async #buildSignatures(chain: BackupChain, wanted: readonly BackupSet[]): Promise<Repair[]> {
    const sets = setsOf(chain);
    const last = sets.findLastIndex((set) => wanted.includes(set));
    const parts = sets.slice(0, last + 1).flatMap((set) => {
      const known = this.#known.find((each) => each.set === set);
      return known === undefined ? [] : [{ known, volumes: volumesOf(known) }];
    });
    const places = new Map(
      parts.flatMap(({ known: { set } }, index) =>
        wanted.includes(set) ? [[index, this.#temporary(`signatures-${index}`)] as const] : [],
      ),
    );
    try {
      const { withoutVolumes, withoutFiles } = await rebuildSignatures(
        this.#workspace,
        parts,
        places,
        this.#signalled(),
      );
      const without =
        withoutVolumes + withoutFiles === 0
          ? undefined
          : `without ${withoutVolumes} volume(s) and ${withoutFiles} version(s) of files that are damaged; the next backup stores those files whole`;
      const repairs: Repair[] = [];
      for (const [index, place] of places) {
        const set = parts[index]?.known.set;
        if (set !== undefined) repairs.push(await this.#storeSignatures(set, place, 'volumes', without));
      }
      return repairs;
    } catch (error) {
      const problem = problemOf(error);
      return [...places.keys()].map((index) => {
        const set = parts[index]?.known.set ?? chain.full;
        return { what: 'signatures', object: this.#nameOf('signatures', set), problem };
      });
    } finally {
      for (const place of places.values()) rmSync(place, { force: true });
    }
  }

  async #storeSignatures(set: BackupSet, place: string, from: 'copy' | 'volumes', without?: string): Promise<Repair> {
    const object = this.#nameOf('signatures', set);
    try {
      await this.#store('signatures', set, place);
      return { what: 'signatures', object, from, ...(without === undefined ? {} : { problem: without }) };
    } catch (error) {
      return { what: 'signatures', object, problem: problemOf(error) };
    } finally {
      rmSync(place, { force: true });
    }
  }

  /** A copy that names all that is stored, to `place`. */
  async #takeManifestCopy(set: BackupSet, place: string): Promise<boolean> {
    const parsed = this.#parsed('manifest', set);
    const manifest = await localManifest(this.#workspace, { parsed });
    if (manifest === undefined || ![...set.volumes.keys()].every((n) => manifest.volumes.has(n))) return false;
    copyFileSync(this.#workspace.directory.placeOf(parsed), place);
    return true;
  }

  /** The copy, unpacked into a temporary file; undefined when there is none or it is damaged. */
  async #takeSignatureCopy(set: BackupSet): Promise<string | undefined> {
    const copy = this.#workspace.directory.placeOf(this.#parsed('signatures', set));
    if (!existsSync(copy)) return undefined;
    const place = this.#temporary('signature-copy');
    try {
      rmSync(place, { force: true });
      for await (const piece of this.#workspace.codec.read(readPieces(copy), 'gzip', copy))
        writeFileSync(place, piece, { flag: 'a', mode: 0o600 });
      await readAll(new MergedSignatures([{ name: copy, bytes: readPieces(place) }]));
      return place;
    } catch (error) {
      rmSync(place, { force: true });
      if (!isDamage(errorOfEngine(error))) throw error;
      return undefined;
    }
  }

  /** Under the name that the damaged one has, or should have. */
  async #store(kind: 'manifest' | 'signatures', set: BackupSet, place: string): Promise<void> {
    const { storage, options, codec, compressionLevel, prefixes } = this.#workspace;
    const parsed = this.#parsed(kind, set);
    const existing = this.#existing(kind, set);
    const sealer = new Sealer({
      encoding: parsed.encoding,
      createSeal: () => codec.createSeal(),
      compressionLevel,
      time: set.span.time,
      ...(options.workers === undefined ? {} : { workers: options.workers }),
    });
    const target = this.#temporary(`sealed-${kind}`);
    rmSync(target, { force: true });
    try {
      const sealed = await sealFile(sealer, { source: place, target, ...this.#signalled() });
      await storage.put(
        existing?.name ?? formatName(parsed, prefixes),
        { kind: 'file', path: sealed.path, size: sealed.size, disposable: true },
        { ifExists: existing === undefined ? 'fail' : 'replace', sha256: sealed.sha256, ...this.#signalled() },
      );
    } finally {
      await sealer.close();
      rmSync(target, { force: true });
    }
    // What was made is the same or better; the copy is fetched when it is needed.
    this.#dropCopy(kind, set);
  }

  #dropCopy(kind: 'manifest' | 'signatures', set: BackupSet): void {
    const { directory } = this.#workspace;
    directory.remove(directory.placeOf(this.#parsed(kind, set)));
  }

  /** Of the nearest set whose manifest is good; the same chain is the same source. */
  #headerFor({ set, chain }: KnownSet): ManifestHeader {
    const good = this.#known.filter(
      ({ manifest, manifestState }) => manifest !== undefined && manifestState === 'good',
    );
    const near = (other: KnownSet) =>
      (other.chain === chain ? 0 : 1e12) + Math.abs(other.set.span.time - set.span.time);
    const [nearest] = good.sort((a, b) => near(a) - near(b));
    const { host, sourceDirectory } = nearest?.manifest ?? {};
    return { ...(host === undefined ? {} : { host }), ...(sourceDirectory === undefined ? {} : { sourceDirectory }) };
  }

  #existing(kind: 'manifest' | 'signatures', set: BackupSet): NamedFile | undefined {
    if (kind === 'manifest') return set.manifest;
    return this.#known.find((each) => setKey(each.set.span) === setKey(set.span))?.signatures;
  }

  #parsed(kind: ObjectKind & ('manifest' | 'signatures'), set: BackupSet): ArchiveName {
    const existing = this.#existing(kind, set);
    if (existing !== undefined) return existing.parsed;
    const stored: Encoding = [...set.volumes.values()][0]?.parsed.encoding ?? this.#workspace.encoding;
    const encoding = kind === 'manifest' && stored === 'gzip' ? 'plain' : stored;
    return { kind, span: set.span, volume: 0, encoding, partial: false };
  }

  #nameOf(kind: 'manifest' | 'signatures', set: BackupSet): string {
    return toText(this.#existing(kind, set)?.name ?? formatName(this.#parsed(kind, set), this.#workspace.prefixes));
  }

  #temporary(name: string): string {
    return join(this.#workspace.temporaryFolder(), `repair-${name}`);
  }

  #signalled(): { readonly signal?: AbortSignal } {
    return this.#signal === undefined ? {} : { signal: this.#signal };
  }
}

export async function readAll(merged: MergedSignatures): Promise<void> {
  try {
    for (let entry = merged.next(); entry !== END; entry = merged.next()) if (entry === MORE) await merged.fill();
  } finally {
    await merged.close();
  }
}

/** Rights, keys and damage keep one object from being repaired, not the next one. An interruption ends it all. */
function problemOf(error: unknown): string {
  const known = errorOfEngine(error);
  if (known.code === 'ABORTED' || known.code === 'INTERNAL') throw error;
  return known.message;
}
