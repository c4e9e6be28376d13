/**
 * Manifests and signatures made again from volumes: the volumes hold all that they say but for three things. The file list of a
 * manifest is left empty, its host and source are those of its neighbours, and signatures come without redup's own facts
 * (as duplicity writes them), so that files are compared by whole seconds until they change.
 */

import { appendFileSync, writeFileSync } from 'node:fs';
import { loadRsync } from 'librsync-wasm';
import {
  BARE_HEADER,
  END,
  formatFileCount,
  formatHeader,
  formatSignatureMember,
  formatVolume,
  type ManifestHeader,
  MORE,
  type Path,
  toText,
} from '../../archive/index.js';
import { readRemote } from '../../cache/index.js';
import {
  blockLengthFor,
  ContentReader,
  MergedSignatures,
  type Scratch,
  SIGNATURE,
  SignatureWriter,
} from '../../delta/index.js';
import { errorOfEngine } from '../../error-conversion.js';
import { RedupError } from '../../errors.js';
import type { FetchedObject, PathVersions, Version } from '../../volumes/index.js';
import { type PlannedVolume, storedVolumes } from '../manifests.js';
import { openPlan, type ReadPlan } from '../read-plan.js';
import type { Workspace } from '../workspace.js';
import { isDamage, type KnownSet, mayBeTheKey, nameOf } from './catalogue.js';
import { VolumeSpans } from './volume-spans.js';

/**
 * The default of redup and of duplicity before 3.2, which takes longer blocks. Which ones a set was made with is not written
 * anywhere; any will do.
 */
const MAX_BLOCK_BYTES = 2048;
const READ_BYTES = 65_536;

export interface RebuildOptions {
  readonly signal?: AbortSignal;
}

/**
 * Writes the manifest of a set to `place`.
 * @throws RedupError when its volumes are not all there and whole: a manifest must not hide what is lost
 */
export async function rebuildManifest(
  workspace: Workspace,
  known: KnownSet,
  header: ManifestHeader,
  place: string,
  { signal }: RebuildOptions = {},
): Promise<void> {
  const volumes = storedVolumes(known.set);
  const spans = new VolumeSpans();
  const fetched = new Map<string, Pick<FetchedObject, 'bytes' | 'digests'>>();
  const { merged } = openPlan(workspace, planOf([{ known, volumes }]), {
    onDamage: 'stop',
    prove: 'every',
    onMember: (_set, member) => spans.add(member),
    onFetched: (name, object) => fetched.set(name, object),
    ...(signal === undefined ? {} : { signal }),
  });
  let last: Path | undefined;
  try {
    for (let group = merged.next(); group !== END; group = merged.next()) {
      if (group === MORE) await merged.fill();
      else last = group.path;
      signal?.throwIfAborted();
    }
  } finally {
    await merged.close();
  }
  requireWhole(known, volumes, spans);
  await requireSameEnd(workspace, known, last, signal);
  writeFileSync(place, Buffer.from(formatHeader(header), 'latin1'), { mode: 0o600 });
  for (const [position, { info, name }] of volumes.entries()) {
    const object = fetched.get(name);
    const hashes = new Map(
      [...(object?.digests ?? [])].filter(([label]) => workspace.extensions || label === 'SHA1').reverse(),
    );
    const size = workspace.extensions && object !== undefined ? { size: object.bytes } : {};
    const text = formatVolume({ number: info.number, ...spans.span(position), hashes, ...size });
    appendFileSync(place, Buffer.from(text, 'latin1'));
  }
  appendFileSync(place, formatFileCount(0));
}

function requireWhole({ set }: KnownSet, volumes: readonly PlannedVolume[], spans: VolumeSpans): void {
  const missing = volumes.findIndex(({ info }, index) => info.number !== index + 1);
  if (volumes.length > 0 && missing < 0 && spans.misplaced === undefined) return;
  const what =
    spans.misplaced !== undefined
      ? `${toText(spans.misplaced)} stands in the wrong place`
      : `volume ${missing < 0 ? 1 : missing + 1} is missing`;
  throw new RedupError('VOLUME_MISSING', `The manifest can't be made from the volumes: ${what}`, {
    subject: nameOf([...set.volumes.values()][0]),
    hint: 'restore --ignore-errors restores what the volumes hold.',
  });
}

/** The signatures, where they are readable, tell whether volumes are missing at the end. */
async function requireSameEnd(
  workspace: Workspace,
  { signatures }: KnownSet,
  last: Path | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (signatures === undefined) return;
  const described = await lastDescribed(workspace, signatures, signal);
  if (described === undefined || described === last) return;
  throw new RedupError('VOLUME_MISSING', `The last volume is missing: the signatures go on to ${toText(described)}`, {
    subject: nameOf(signatures),
    hint: 'restore --ignore-errors restores what the volumes hold.',
  });
}

async function lastDescribed(
  workspace: Workspace,
  signatures: NonNullable<KnownSet['signatures']>,
  signal: AbortSignal | undefined,
): Promise<Path | undefined> {
  const bytes = readRemote(workspace.syncContext(signal), signatures);
  const merged = new MergedSignatures([{ name: nameOf(signatures), bytes }]);
  let last: Path | undefined;
  try {
    for (let entry = merged.next(); entry !== END; entry = merged.next()) {
      if (entry === MORE) await merged.fill();
      else last = entry.path;
    }
    return last;
  } catch (error) {
    if (!isDamage(errorOfEngine(error))) throw error;
    return undefined;
  } finally {
    await merged.close();
  }
}

export interface RebuiltSignatures {
  /** Volumes that could not be read, and files whose content could not be put together: the next backup stores those whole. */
  readonly withoutVolumes: number;
  readonly withoutFiles: number;
}

/**
 * Writes the signature files of some sets of a chain, as plain tars. What is lost is left out, so that the next increment stores
 * it whole.
 * @param chain all sets from the full one to the last whose signatures are wanted, with the volumes to read
 * @param places by the number of the set in `chain`
 */
export async function rebuildSignatures(
  workspace: Workspace,
  chain: readonly { readonly known: KnownSet; readonly volumes: readonly PlannedVolume[] }[],
  places: ReadonlyMap<number, string>,
  { signal }: RebuildOptions = {},
): Promise<RebuiltSignatures> {
  let withoutVolumes = 0;
  const { merged } = openPlan(workspace, planOf(chain), {
    onDamage: (_name, error) => {
      const found = errorOfEngine(error);
      if (!isDamage(found) && !mayBeTheKey(found)) throw error;
      withoutVolumes++;
    },
    prove: 'strongest',
    versions: 'all',
    ...(signal === undefined ? {} : { signal }),
  });
  const writers = new Map([...places].map(([set, place]) => [set, new SignatureWriter(place)]));
  const content = new ContentReader(() => workspace.temporaryFolder(), signal);
  const signer = new VersionSigner(writers, content);
  try {
    for (let group = merged.next(); group !== END; group = merged.next()) {
      if (group === MORE) {
        await merged.fill();
        signal?.throwIfAborted();
      } else await signer.sign(group);
    }
    for (const writer of writers.values()) writer.finish();
  } finally {
    for (const writer of writers.values()) writer.close();
    content.close();
    await merged.close();
  }
  return { withoutVolumes, withoutFiles: signer.lost };
}

class VersionSigner {
  readonly #writers: ReadonlyMap<number, SignatureWriter>;
  readonly #content: ContentReader;
  readonly #builder = loadRsync().createSignature({ ...SIGNATURE, blockLength: 512 });
  readonly #buffer = Buffer.alloc(READ_BYTES);
  lost = 0;

  constructor(writers: ReadonlyMap<number, SignatureWriter>, content: ContentReader) {
    this.#writers = writers;
    this.#content = content;
  }

  async sign({ versions }: PathVersions): Promise<void> {
    let basis: Scratch | undefined;
    for (const [index, version] of versions.entries()) {
      const writer = this.#writers.get(version.set);
      const isFile = version.entry.kind !== 'deleted' && version.entry.header.type === 'file';
      const result = isFile ? this.#content.scratch(index) : undefined;
      if (result === undefined) {
        basis = undefined;
        writer?.entry(specialEntry(version));
        continue;
      }
      try {
        await this.#content.step(version, basis, result);
      } catch (error) {
        if (!(error instanceof RedupError && error.code === 'ARCHIVE_INVALID')) throw error;
        this.lost++;
        basis = undefined;
        continue;
      }
      basis = result;
      if (writer !== undefined) this.#write(writer, version, result);
    }
  }

  /** The length of blocks depends on the size, so that a file is put together before it is signed. */
  #write(writer: SignatureWriter, { entry }: Version, content: Scratch): void {
    const { records: _, ...header } = entry.header;
    const named = { ...header, name: formatSignatureMember('signature', entry.path, 'file'), size: 0 };
    this.#builder.reset({ ...SIGNATURE, blockLength: blockLengthFor(content.size, MAX_BLOCK_BYTES) });
    writer.begin(named);
    for (let at = 0; at < content.size; ) {
      const count = content.read(at, this.#buffer);
      if (count === 0) throw new Error('a temporary file is shorter than it was');
      writer.append(this.#builder.update(this.#buffer.subarray(0, count)));
      at += count;
    }
    writer.append(this.#builder.finish());
    writer.end(named);
  }
}

function specialEntry({ entry: { kind, path, header } }: Version) {
  if (kind === 'deleted') return { ...BARE_HEADER, name: `deleted/${path}` };
  const { records: _, ...plain } = header;
  return { ...plain, name: formatSignatureMember('snapshot', path, header.type), size: 0 };
}

function planOf(chain: readonly { readonly known: KnownSet; readonly volumes: readonly PlannedVolume[] }[]): ReadPlan {
  return {
    time: chain.at(-1)?.known.set.span.time ?? (0 as ReadPlan['time']),
    sets: chain.map(({ known: { set, manifest = { volumes: new Map() } }, volumes }) => ({ set, manifest, volumes })),
    damagedManifests: [],
  };
}
