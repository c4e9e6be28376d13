/**
 * Archives that no honest program writes: tar blocks, manifests and names put together byte by byte, so that each
 * lie is possible. Plain sets, because an attacker who can write to the target can write those.
 */

import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface RawMember {
  /** As it stands in the first 100 bytes of the header. */
  readonly name: string;
  readonly type?: string;
  readonly content?: Buffer | string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  readonly userName?: string;
  readonly link?: string;
  readonly prefix?: string;
  readonly major?: number;
  readonly minor?: number;
  /** The size field, when it is to be something else than the content's. */
  readonly size?: string;
  /** Pax records, honest ones. */
  readonly pax?: Readonly<Record<string, string>>;
  /** The body of the pax header, as it is. */
  readonly rawPax?: string;
  /** A GNU long name before the header. */
  readonly longName?: string;
}

/** One tar member with everything that belongs before it. */
export function member(m: RawMember): Buffer {
  const content = typeof m.content === 'object' ? m.content : Buffer.from(m.content ?? '', 'latin1');
  const records =
    m.rawPax ??
    Object.entries(m.pax ?? {})
      .map(([key, value]) => paxRecord(key, value))
      .join('');
  return Buffer.concat([
    ...(records === '' ? [] : [extension('x', records)]),
    ...(m.longName === undefined ? [] : [extension('L', `${m.longName}\0`)]),
    header(m, content.length),
    padded(content),
  ]);
}

/** A `x`, `g`, `L` or `K` member. */
export function extension(type: string, body: string): Buffer {
  const content = Buffer.from(body, 'latin1');
  return Buffer.concat([header({ name: '././@PaxHeader', type }, content.length), padded(content)]);
}

export function paxRecord(key: string, value: string): string {
  let length = key.length + value.length + 3;
  while (`${length} ${key}=${value}\n`.length !== length) length++;
  return `${length} ${key}=${value}\n`;
}

/** Entries of honest look, to stand around the attack. */
export const root = (): Buffer => member({ name: 'snapshot/./', type: '5', mode: 0o755, mtime: 1_600_000_000 });
export const plainFile = (name: string, content = 'harmless'): Buffer =>
  member({ name: `snapshot/${name}`, content, mode: 0o644, mtime: 1_600_000_000 });
export const folder = (name: string): Buffer => member({ name: `snapshot/${name}/`, type: '5', mode: 0o755 });
export const link = (name: string, target: string): Buffer =>
  member({ name: `snapshot/${name}`, type: '2', link: target });
export const delta = (name: string, ...commands: number[]): Buffer =>
  member({ name: `diff/${name}`, content: Buffer.from([0x72, 0x73, 0x02, 0x36, ...commands]), mode: 0o644 });

export const ZERO_BLOCKS = Buffer.alloc(1024);

export interface HostileSet {
  /** Members of its one volume; several lists for several volumes. */
  readonly volumes: readonly (readonly Buffer[])[];
  /** The manifest's text instead of the right one. */
  readonly manifest?: (honest: string) => string;
  /** Members of the signature file. */
  readonly signatures?: readonly Buffer[];
}

const TIMES = ['20231114T221320Z', '20231114T223000Z', '20231114T224640Z'] as const;

/** Writes a full set and increments into a folder. */
export function writeHostileChain(target: string, sets: readonly HostileSet[]): void {
  mkdirSync(target, { recursive: true });
  for (const [index, set] of sets.entries()) {
    const span = index === 0 ? TIMES[0] : `${TIMES[index - 1]}.to.${TIMES[index]}`;
    const kind = index === 0 ? 'full' : 'inc';
    let manifest = 'Hostname victim\nLocaldir /home\n';
    for (const [i, members] of set.volumes.entries()) {
      const bytes = Buffer.concat(members);
      writeFileSync(join(target, `duplicity-${kind}.${span}.vol${i + 1}.difftar`), bytes);
      // From before every path to behind every path: each volume is always read.
      const hash = createHash('sha1').update(bytes).digest('hex');
      manifest += `Volume ${i + 1}:\n    StartingPath   .  \n    EndingPath     ${'\xff'.repeat(300)}  \n    Hash SHA1 ${hash}\n`;
    }
    manifest += 'Filelist 0\n';
    writeFileSync(join(target, `duplicity-${kind}.${span}.manifest`), set.manifest?.(manifest) ?? manifest, 'latin1');
    const signatures = Buffer.concat([
      ...(set.signatures ?? [member({ name: 'snapshot/', type: '5', mode: 0o755 })]),
      Buffer.alloc(10_240),
    ]);
    const signatureKind = index === 0 ? 'full' : 'new';
    writeFileSync(join(target, `duplicity-${signatureKind}-signatures.${span}.sigtar`), signatures);
  }
}

function header(m: RawMember, size: number): Buffer {
  const block = Buffer.alloc(512);
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, '0');
  block.write(m.name, 0, 100, 'latin1');
  block.write(octal(m.mode ?? 0o644, 7), 100, 'latin1');
  block.write(octal(m.uid ?? process.getuid?.() ?? 0, 7), 108, 'latin1');
  block.write(octal(m.gid ?? process.getgid?.() ?? 0, 7), 116, 'latin1');
  block.write(m.size ?? octal(size, 11), 124, 12, 'latin1');
  block.write(octal(m.mtime ?? 0, 11), 136, 'latin1');
  block.write(m.type ?? '0', 156, 'latin1');
  block.write(m.link ?? '', 157, 100, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  block.write(m.userName ?? '', 265, 32, 'latin1');
  if (m.major !== undefined) block.write(octal(m.major, 7), 329, 8, 'latin1');
  if (m.minor !== undefined) block.write(octal(m.minor, 7), 337, 8, 'latin1');
  block.write(m.prefix ?? '', 345, 155, 'latin1');
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)}\0`, 148, 'latin1');
  return block;
}

function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}
