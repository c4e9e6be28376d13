/**
 * Reads a chain back and proves that each of its times restores: every volume's hashes, decryption and structure; every version
 * of every file put together, deltas applied; and that the signatures describe just that, because the next increment
 * is made against them.
 */

import { loadRsync, type SignatureBuilder } from 'librsync-wasm';
import { END, formatTime, MORE, type Path, toText } from '../../archive/index.js';
import { ContentReader, type ContentSink, type Scratch, SIGNATURE, SignatureMatch } from '../../delta/index.js';
import { errorOfEngine } from '../../error-conversion.js';
import { RedupError } from '../../errors.js';
import { ProgressReporter } from '../../events.js';
import type { MergedSets, PathVersions, Version } from '../../volumes/index.js';
import type { PlannedVolume } from '../manifests.js';
import { openPlan, type ReadPlan, recallVolumes } from '../read-plan.js';
import type { Workspace } from '../workspace.js';
import { isDamage, type KnownSet, mayBeTheKey, nameOf, timesFrom } from './catalogue.js';
import type { FindingLog } from './findings.js';
import type { Sample } from './sample.js';
import { type ProvenEntry, SignatureProof, signaturesDamaged } from './signature-proof.js';
import { VolumeSpans } from './volume-spans.js';

export interface ReadTotals {
  /** Volumes read to their end, and their bytes as stored. */
  volumes: number;
  bytes: number;
  /** Versions of files that were put together. */
  versions: number;
  /** Signature files read to their end. */
  signatures: number;
}

export interface ChainDataOptions {
  /** Of one chain, oldest first. */
  readonly sets: readonly KnownSet[];
  readonly sample: Sample;
  /** Every volume is read: then what is missing among the entries is missing. */
  readonly isAll: boolean;
  /** Whose signatures are proven. */
  readonly proveSignatures: readonly boolean[];
  readonly findings: FindingLog;
  readonly totals: ReadTotals;
  readonly signal?: AbortSignal;
}

export class ChainData {
  readonly #workspace: Workspace;
  readonly #options: ChainDataOptions;
  readonly #spans: readonly VolumeSpans[];
  readonly #proofs: readonly (SignatureProof | undefined)[];
  readonly #builder: SignatureBuilder;
  readonly #content: ContentReader;
  readonly #progress: ProgressReporter;
  /** Names of volumes that could not be read to their end. */
  readonly #damaged = new Set<string>();

  constructor(workspace: Workspace, options: ChainDataOptions) {
    const { sets, proveSignatures, signal } = options;
    this.#workspace = workspace;
    this.#options = options;
    this.#spans = sets.map(() => new VolumeSpans());
    this.#proofs = sets.map((known, index) => (proveSignatures[index] === true ? this.#prove(known) : undefined));
    this.#builder = loadRsync().createSignature({ ...SIGNATURE, blockLength: 512 });
    this.#content = new ContentReader(() => workspace.temporaryFolder(), signal);
    this.#progress = new ProgressReporter(workspace.emit);
  }

  async read(): Promise<void> {
    const { sets, sample, totals, signal } = this.#options;
    const plan = planOf(sets, sample);
    await recallVolumes(this.#workspace, plan, signal);
    const { merged, counts } = openPlan(this.#workspace, plan, {
      onDamage: (name, error) => this.#volumeDamaged(name, error),
      onDoubt: (name, error) => this.#manifestWrong(this.#setOf(name), error.message),
      prove: 'every',
      versions: 'all',
      onMember: (set, member) => this.#spans[set]?.add(member),
      ...(signal === undefined ? {} : { signal }),
    });
    const before = { versions: totals.versions };
    try {
      await this.#each(merged, (path) =>
        this.#progress.update(totals.versions - before.versions, 0, totals.bytes + counts.bytes, path),
      );
      for (const [index, known] of sets.entries()) this.#compareSpans(known, index, plan.sets[index]?.volumes ?? []);
      for (const [index, proof] of this.#proofs.entries()) await this.#finish(proof, index);
    } finally {
      this.#content.close();
      await merged.close();
      for (const proof of this.#proofs) await proof?.close();
    }
    totals.volumes += counts.volumes;
    totals.bytes += counts.bytes;
  }

  async #each(merged: MergedSets, report: (path: Path) => void): Promise<void> {
    for (let group = merged.next(); group !== END; group = merged.next()) {
      if (group === MORE) {
        await merged.fill();
        this.#options.signal?.throwIfAborted();
        continue;
      }
      if (this.#options.sample.isComplete(group.path)) await this.#proveVersions(group);
      report(group.path);
    }
  }

  /** Each version from the one before it, as every time in turn would be restored. */
  async #proveVersions({ path, versions }: PathVersions): Promise<void> {
    let basis: Scratch | undefined;
    for (const [index, version] of versions.entries()) {
      const isBasis = versions[index + 1]?.entry.kind === 'diff';
      const result = isBasis ? this.#content.scratch(index) : undefined;
      const proof = this.#proofs[version.set];
      const described = proof?.isUsable === true ? await proof.take(path) : undefined;
      const isWhole = await this.#proveVersion(version, basis, result, described);
      basis = isWhole ? result : undefined;
    }
  }

  /** @returns whether the version is there whole */
  async #proveVersion(
    version: Version,
    basis: Scratch | undefined,
    result: Scratch | undefined,
    described: ProvenEntry | undefined,
  ): Promise<boolean> {
    const { entry, set } = version;
    const kind = entry.kind === 'deleted' ? 'deleted' : entry.header.type === 'file' ? 'signature' : 'snapshot';
    const disagree = () => {
      if (this.#proofs[set]?.isUsable === true && described?.kind !== kind)
        this.#signaturesWrong(set, entry.path, 'says something else of');
    };
    if (kind !== 'signature') {
      disagree();
      return false;
    }
    const signature = described?.signature;
    const match = signature === undefined ? undefined : new SignatureMatch(this.#builder, signature);
    const sinks: ContentSink[] = [result, match].filter((sink) => sink !== undefined);
    try {
      await this.#content.step(version, basis, new Tee(sinks));
    } catch (error) {
      if (!(error instanceof RedupError && error.code === 'ARCHIVE_INVALID')) throw error;
      this.#entryDamaged(set, entry.path, error);
      return false;
    }
    disagree();
    this.#options.totals.versions++;
    if (match?.finish() === false) this.#signaturesWrong(set, entry.path, 'does not fit the content of');
    return true;
  }

  #prove({ signatures, set, chain }: KnownSet): SignatureProof | undefined {
    if (signatures === undefined || signatures.size === 0) return undefined;
    const { findings, signal } = this.#options;
    return new SignatureProof(this.#workspace, signatures, {
      onDamage: (error) => findings.add(signaturesDamaged(signatures, error, { set, chain })),
      onSurplus: (path) => {
        if (this.#options.isAll && this.#damaged.size === 0)
          this.#signaturesWrong(
            this.#options.sets.findIndex((known) => known.set === set),
            path,
            'speaks of a change that no volume holds of',
          );
      },
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async #finish(proof: SignatureProof | undefined, index: number): Promise<void> {
    if (proof === undefined || this.#options.sets[index] === undefined) return;
    await proof.finish();
    if (proof.isUsable) this.#options.totals.signatures++;
  }

  #setOf(volume: string): number {
    return this.#options.sets.findIndex(({ set }) => [...set.volumes.values()].some((file) => nameOf(file) === volume));
  }

  #volumeDamaged(object: string, thrown: unknown): void {
    const error = errorOfEngine(thrown);
    if (!isDamage(error) && !mayBeTheKey(error)) throw thrown;
    this.#damaged.add(object);
    const known = this.#options.sets[this.#setOf(object)];
    if (known === undefined) return; // missing: the listing has told
    const info = [...(known.manifest?.volumes.values() ?? [])].find(
      (each) => nameOf(known.set.volumes.get(each.number)) === object,
    );
    this.#options.findings.add({
      code: error.code === 'SIGNER' ? 'SIGNER' : 'VOLUME_DAMAGED',
      message: error.message,
      object,
      affects: 'restores',
      times: timesFrom(known.set, known.chain),
      ...(info === undefined ? {} : { paths: { first: info.start.path, last: info.end.path } }),
      hint: 'Fetch another copy of this file if there is one. restore --ignore-errors restores what other volumes hold; a new full backup begins a sound chain.',
    });
  }

  #entryDamaged(index: number, path: Path, error: RedupError): void {
    const known = this.#options.sets[index];
    if (known === undefined) return;
    this.#options.findings.add({
      code: 'ENTRY_DAMAGED',
      message: `As of ${formatTime(known.set.span.time)}: ${error.message}`,
      path,
      affects: 'restores',
      times: timesFrom(known.set, known.chain),
      hint: 'An earlier time may hold the file whole; a new full backup stores it again.',
    });
  }

  #signaturesWrong(index: number, path: Path, what: string): void {
    const known = this.#options.sets[index];
    if (known === undefined) return;
    const object = nameOf(known.signatures);
    this.#options.findings.add({
      code: 'SIGNATURES_WRONG',
      message: `The signature file ${object} ${what} ${toText(path) || '.'}`,
      object,
      path,
      affects: 'lists-and-increments',
      times: timesFrom(known.set, known.chain),
      repair: { what: 'signatures', set: known.set, trustCopy: false },
      hint: 'Run check --repair: signatures are made again from the volumes.',
    });
  }

  #manifestWrong(index: number, what: string): void {
    const known = this.#options.sets[index];
    if (known === undefined) return;
    const object = nameOf(known.set.manifest);
    this.#options.findings.add({
      code: 'MANIFEST_WRONG',
      message: `The manifest ${object} is wrong: ${what}`,
      object,
      affects: 'restores',
      times: timesFrom(known.set, known.chain),
      repair: { what: 'manifest', set: known.set, trustCopy: false },
      hint: 'Run check --repair: it is made again from the volumes.',
    });
  }

  #compareSpans(known: KnownSet, index: number, volumes: readonly PlannedVolume[]): void {
    const spans = this.#spans[index];
    if (spans === undefined || known.manifest === undefined) return;
    for (const [position, { info, name }] of volumes.entries()) {
      if (this.#damaged.has(name) || spans.agreesWith(position, info)) continue;
      this.#manifestWrong(index, `volume ${info.number} holds other paths than it says`);
    }
    if (spans.misplaced === undefined) return;
    const message = `The backup of ${formatTime(known.set.span.time)} is not in order at ${toText(spans.misplaced)}`;
    const hint = 'No backup program writes this: somebody may have put it there.';
    const times = timesFrom(known.set, known.chain);
    this.#options.findings.add({
      code: 'VOLUME_DAMAGED',
      message,
      path: spans.misplaced,
      affects: 'restores',
      times,
      hint,
    });
  }
}

function planOf(sets: readonly KnownSet[], sample: Sample): ReadPlan {
  return {
    time: sets.at(-1)?.set.span.time ?? sets[0]?.set.span.time ?? (0 as ReadPlan['time']),
    sets: sets.map(({ set, manifest = { volumes: new Map() } }, index) => ({
      set,
      manifest,
      volumes: sample.volumes[index] ?? [],
    })),
    damagedManifests: [],
  };
}

class Tee implements ContentSink {
  readonly #sinks: readonly ContentSink[];

  constructor(sinks: readonly ContentSink[]) {
    this.#sinks = sinks;
  }

  write(piece: Uint8Array): void {
    for (const sink of this.#sinks) sink.write(piece);
  }
}
