/** Small helpers that several test files share. */
import { spawnSync } from 'node:child_process';
import { type OpenOptions, type OpenPgpError, open } from '../index.js';

/** Tests against another program run wherever it is installed, and always in CI, which must install it. */
export function hasProgram(name: string): boolean {
  return process.env['CI'] !== undefined || spawnSync(name, ['--version']).status === 0;
}

export async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export interface Outcome {
  /** `good`, or the error's code. */
  readonly code: string;
  readonly error: unknown;
  /** What was given out before the end or the error. */
  readonly plain: Buffer;
}

/** Opens a message in pieces and tells how it went. */
export async function outcomeOf(message: Uint8Array, options: OpenOptions, pieceBytes = 65_536): Promise<Outcome> {
  const parts: Uint8Array[] = [];
  let code = 'good';
  let error: unknown;
  try {
    for await (const piece of open(inPieces(message, pieceBytes), options)) parts.push(piece);
  } catch (caught) {
    error = caught;
    code = (caught as OpenPgpError).code ?? String(caught);
  }
  return { code, error, plain: Buffer.concat(parts) };
}
