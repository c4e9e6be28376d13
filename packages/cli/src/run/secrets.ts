/**
 * Passphrases: from the environment, a file, a descriptor, or asked for on the terminal. They never come from an argument,
 * which every user of the machine can read, and are never printed.
 */

import { closeSync, openSync, writeSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { RedupError, Secret } from '../engine.js';
import type { Values } from '../options/index.js';

export interface PassphraseQuestion {
  /** `passphrase`, `passphrase of the signing key`: what is asked for. */
  readonly what: string;
  /** The environment variable that may hold it. */
  readonly variable: 'PASSPHRASE' | 'SIGN_PASSPHRASE';
  /** It is new: a typing mistake would make everything unreadable, so it is asked for twice. */
  isNew(): Promise<boolean>;
}

/** The passphrase without asking anybody, if it is there. */
export function givenPassphrase(values: Values, env: NodeJS.ProcessEnv, variable: string): Secret | undefined {
  if (variable === 'PASSPHRASE') {
    const { 'passphrase-file': file, 'passphrase-fd': fd } = values;
    if (file !== undefined) return Secret.fromFile(file);
    if (fd !== undefined) return Secret.fromFd(fd);
  }
  const text = env[variable];
  return text === undefined ? undefined : Secret.fromText(text);
}

/** @throws RedupError PASSPHRASE_MISSING */
export async function requirePassphrase(
  values: Values,
  env: NodeJS.ProcessEnv,
  question: PassphraseQuestion,
): Promise<Secret> {
  const given = givenPassphrase(values, env, question.variable);
  const secret = given ?? (await ask(question));
  if (!secret.isEmpty) return secret;
  throw new RedupError('PASSPHRASE_MISSING', `The ${question.what} is empty`, {
    hint: `Set ${question.variable} to a real one, or say --no-encryption if the archive may be readable by anybody.`,
  });
}

async function ask({ what, variable, isNew }: PassphraseQuestion): Promise<Secret> {
  const terminal = openTerminal();
  if (terminal === undefined) {
    throw new RedupError('PASSPHRASE_MISSING', `There is no ${what}, and no terminal to ask on`, {
      hint: `Set ${variable}, use --passphrase-file FILE, or say --no-encryption if the archive may be readable by anybody.`,
    });
  }
  try {
    const twice = await isNew();
    for (;;) {
      const first = await readHidden(terminal, `${what[0]?.toUpperCase()}${what.slice(1)}: `);
      if (!twice || first.isEmpty) return first;
      const second = await readHidden(terminal, 'The same again: ');
      if (first.equals(second)) return first;
      writeSync(terminal, 'They differ. Once more.\n');
    }
  } finally {
    closeSync(terminal);
  }
}

/** The terminal itself: the standard input may be a file list. */
function openTerminal(): number | undefined {
  try {
    return openSync('/dev/tty', 'r+');
  } catch {
    return undefined;
  }
}

const CTRL_C = 3;
const CTRL_D = 4;
const CTRL_U = 21;
const BACKSPACE = 8;
const DELETE = 127;

/** One line, with nothing echoed. */
async function readHidden(terminal: number, prompt: string): Promise<Secret> {
  const input = new ReadStream(openSync('/dev/tty', 'r'));
  writeSync(terminal, prompt);
  input.setRawMode(true);
  const typed: number[] = [];
  try {
    return await new Promise<Secret>((resolve, reject) => {
      input.on('error', reject);
      input.on('data', (bytes: Buffer) => {
        for (const byte of bytes) {
          if (byte === 13 || byte === 10) return resolve(Secret.fromBytes(Uint8Array.from(typed)));
          if (byte === CTRL_D) {
            if (typed.length === 0) return resolve(Secret.fromBytes(new Uint8Array()));
          } else if (byte === CTRL_C) return reject(new RedupError('ABORTED', 'Interrupted'));
          else if (byte === CTRL_U) typed.length = 0;
          else if (byte === BACKSPACE || byte === DELETE) eraseChar(typed);
          else typed.push(byte);
        }
      });
    });
  } finally {
    typed.fill(0);
    input.setRawMode(false);
    input.destroy();
    writeSync(terminal, '\n');
  }
}

/** Takes away the last character, which may be several bytes of UTF-8. */
function eraseChar(typed: number[]): void {
  while (typed.length > 0 && ((typed.pop() ?? 0) & 0xc0) === 0x80);
}
