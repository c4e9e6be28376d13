/**
 * A passphrase that does not leak by accident: it never prints, serialises or inspects as itself,
 * lives in one buffer, and can be overwritten. (What a caller passed in as a string stays in the
 * runtime's heap until collected; strings can't be overwritten.)
 */
import { fstatSync, readFileSync, statSync } from 'node:fs';
import { inspect } from 'node:util';
import { OpenPgpError } from './errors.js';

const SHOWN = '[secret]';

export class Secret {
  readonly #bytes: Uint8Array;
  #isWiped = false;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** From text, as UTF-8. */
  static fromText(text: string): Secret {
    // Not Buffer.from: that would take small strings from a shared pool.
    return new Secret(new TextEncoder().encode(text));
  }

  /** From bytes; the secret takes them over and wipes them in `wipe()`. */
  static fromBytes(bytes: Uint8Array): Secret {
    return new Secret(bytes);
  }

  /**
   * The first line of a file, without its line end. Throws `secret-file` when the file is missing,
   * no regular file, or readable or writable by group or others.
   */
  static fromFile(path: string): Secret {
    let stat: ReturnType<typeof statSync>;
    try {
      stat = statSync(path);
    } catch (cause) {
      throw new OpenPgpError('secret-file', `The passphrase file ${path} can't be read`, {
        cause,
        subject: path,
        hint: 'Check the path.',
      });
    }
    if (!stat.isFile()) throw new OpenPgpError('secret-file', `${path} is not a regular file`, { subject: path });
    if ((stat.mode & 0o077) !== 0 && process.platform !== 'win32') {
      throw new OpenPgpError('secret-file', `The passphrase file ${path} is accessible to others`, { subject: path });
    }
    return firstLine(() => readFileSync(path), path);
  }

  /** The first line of an open file descriptor, which is read to its end. */
  static fromFd(fd: number): Secret {
    return firstLine(() => {
      fstatSync(fd);
      return readFileSync(fd);
    }, `file descriptor ${fd}`);
  }

  /** Runs `work` with the bytes; they must not be kept. */
  use<T>(work: (bytes: Uint8Array) => T): T {
    if (this.#isWiped) throw new Error('This secret was wiped');
    return work(this.#bytes);
  }

  /** Whether both hold the same bytes. */
  equals(other: Secret): boolean {
    return this.use((a) => other.use((b) => Buffer.compare(a, b) === 0));
  }

  get isEmpty(): boolean {
    return this.#bytes.length === 0;
  }

  /** Overwrites the bytes. The secret can't be used afterwards. */
  wipe(): void {
    this.#bytes.fill(0);
    this.#isWiped = true;
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [inspect.custom](): string {
    return SHOWN;
  }
}

function firstLine(read: () => Buffer, subject: string): Secret {
  let content: Buffer;
  try {
    content = read();
  } catch (cause) {
    throw new OpenPgpError('secret-file', `The passphrase can't be read from ${subject}`, {
      cause,
      subject,
      hint: 'Check that it exists and may be read.',
    });
  }
  const newline = content.indexOf(0x0a);
  let end = newline === -1 ? content.length : newline;
  if (end > 0 && content[end - 1] === 0x0d) end -= 1;
  const line = Uint8Array.prototype.slice.call(content, 0, end);
  content.fill(0);
  return Secret.fromBytes(line);
}
