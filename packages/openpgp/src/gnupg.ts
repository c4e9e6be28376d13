/**
 * Keys of a GnuPG home. Public keys are exported once and used in this process; secret keys never
 * leave gpg-agent (or the card behind it): gpg is asked for the session key of a message, the agent
 * for the signature of a digest. The bulk stays here.
 */
import { readFileSync } from 'node:fs';
import type { Key } from 'openpgp';
import { makeAgentSigner } from './agent-signer.js';
import { type SessionKey, TAG } from './algorithms.js';
import { OpenPgpError } from './errors.js';
import { packet } from './framing.js';
import { type GpgOptions, GpgProcess, type GpgResult, reachesNoAgent } from './gpg-process.js';
import { openKeys } from './key-files.js';
import { chooseKey, findKeys, idOf, makeRecipient, readKeys } from './key-ring.js';
import { type KeySource, unknownKey } from './key-source.js';
import type { TrustedSigner } from './message-signatures.js';
import type { Recipient, Signer } from './seal.js';
import type { Secret } from './secret.js';
import { type KeyEncryptedSessionKey, parseSessionKey } from './session-keys.js';
import { makeSigner } from './sign.js';
import { trustSigner } from './verify.js';

export interface GnupgOptions extends GpgOptions {
  /** Unlocks decryption keys (duplicity's PASSPHRASE). Without it the agent knows it or asks. */
  readonly passphrase?: Secret;
  /** Unlocks the signing key (SIGN_PASSPHRASE); default `passphrase`. */
  readonly signPassphrase?: Secret;
  /** Like `--use-agent`: passphrases come from the agent alone. */
  readonly useAgent?: boolean;
}

/** Opens a GnuPG home. Nothing is run before a key is needed; then `gpg-missing` may be thrown. */
export function openGnupg(options: GnupgOptions = {}): KeySource {
  return new GnupgHome(options);
}

class GnupgHome implements KeySource {
  readonly #gpg: GpgProcess;
  readonly #passphrase: Secret | undefined;
  readonly #signPassphrase: Secret | undefined;
  readonly #secretKeyring: string | undefined;
  readonly #exported = new Map<string, Promise<Key[]>>();

  constructor(options: GnupgOptions) {
    this.#gpg = new GpgProcess(options);
    this.#passphrase = options.useAgent === true ? undefined : options.passphrase;
    this.#signPassphrase = options.useAgent === true ? undefined : (options.signPassphrase ?? options.passphrase);
    this.#secretKeyring = options.secretKeyring;
  }

  async recipient(id: string): Promise<Recipient> {
    return makeRecipient(await chooseKey(await this.#publicKeys(id), id, 'encrypt'), id);
  }

  async signer(id: string): Promise<Signer> {
    if (!(await this.#gpg.hasAgent())) return (await this.#exportedSecret(id, this.#signPassphrase)).signer(id);
    if (this.#secretKeyring !== undefined) return (await this.#fromKeyring(this.#signPassphrase)).signer(id);
    const key = await chooseKey(await this.#publicKeys(id), id, 'sign');
    return makeSigner(await makeAgentSigner(this.#gpg, key, id, this.#signPassphrase));
  }

  async trustedSigner(id: string): Promise<TrustedSigner> {
    const [key, ...others] = findKeys(await this.#publicKeys(id), id);
    if (key === undefined) throw unknownKey(id);
    if (others.length > 0) {
      const keyIds = [key, ...others].map((other) => idOf(other));
      throw new OpenPgpError('ambiguous-key', `${id} names several keys: ${keyIds.join(', ')}`, { keyIds });
    }
    return trustSigner(key);
  }

  async decryptSessionKey(packets: readonly KeyEncryptedSessionKey[]): Promise<SessionKey | undefined> {
    if (this.#secretKeyring !== undefined && (await this.#gpg.hasAgent())) {
      const found = await (await this.#fromKeyring(this.#passphrase)).decryptSessionKey(packets);
      if (found !== undefined) return found;
    }
    // gpg stops at the data, which is empty, but by then it has told the session key.
    const head = packets.map(({ body }) => packet(TAG.publicKeySessionKey, body));
    const emptyData = packet(TAG.encryptedMdc, Uint8Array.of(1, ...new Uint8Array(40)));
    const message = Buffer.concat([...head, emptyData]);
    const result = await this.#gpg.run(['--show-session-key', '--decrypt'], message, this.#passphrase);
    const sessionKey = sessionKeyIn(result);
    result.stdout.fill(0);
    if (sessionKey !== undefined) return sessionKey;
    throwDecryptionProblem(result, packets);
    return undefined;
  }

  #publicKeys(id: string): Promise<Key[]> {
    let exporting = this.#exported.get(id);
    if (exporting === undefined) {
      // `=`, `<`, `@` and other marks have a meaning to gpg that is as welcome here as there.
      exporting = this.#gpg.run(['--export', '--', id], new Uint8Array(0)).then(({ stdout }) => {
        return stdout.length === 0 ? [] : readKeys(stdout);
      });
      this.#exported.set(id, exporting);
    }
    return exporting;
  }

  /** GnuPG 1.4 and 2.0 have no agent that could sign a digest; their secret keys are read as they are stored, still locked. */
  async #exportedSecret(id: string, passphrase: Secret | undefined): Promise<KeySource> {
    const { stdout } = await this.#gpg.run(['--export-secret-keys', '--', id], new Uint8Array(0));
    if (stdout.length === 0) throw unknownKey(id);
    return openKeys(stdout, passphrase === undefined ? {} : { passphrase });
  }

  /** A secret keyring file beside a gpg that no longer reads one. */
  #fromKeyring(passphrase: Secret | undefined): Promise<KeySource> {
    const path = this.#secretKeyring ?? '';
    let bytes: Buffer;
    try {
      bytes = readFileSync(path);
    } catch (cause) {
      throw new OpenPgpError('unknown-key', `The secret keyring ${path} can't be read`, {
        cause,
        subject: path,
        hint: 'Check the path.',
      });
    }
    return openKeys(bytes, passphrase === undefined ? {} : { passphrase });
  }
}

/** `SESSION_KEY 9:…` in the status of 2.x; GnuPG 1.4 says it on standard error. */
function sessionKeyIn(result: GpgResult): SessionKey | undefined {
  const text = [...result.status, result.stderr].join('\n');
  const [, algorithm, key] = /(?:SESSION_KEY |session key: [`'])(\d+):([0-9A-F]+)/.exec(text) ?? [];
  if (algorithm === undefined || key === undefined) return undefined;
  return parseSessionKey(Buffer.concat([Uint8Array.of(Number(algorithm)), Buffer.from(key, 'hex')]));
}

function throwDecryptionProblem(result: GpgResult, packets: readonly KeyEncryptedSessionKey[]): void {
  const keyIds = packets.map(({ keyId }) => keyId);
  const says = (pattern: RegExp): boolean =>
    result.status.some((line) => pattern.test(line)) || pattern.test(result.stderr);
  if (reachesNoAgent(result)) throw new OpenPgpError('agent-unreachable', 'gpg can reach no agent', { keyIds });
  if (
    says(
      /Bad passphrase|BAD_PASSPHRASE|bad passphrase|MISSING_PASSPHRASE|No passphrase given|No pinentry|Operation cancelled|CANCELED_BY_USER|Inappropriate ioctl/,
    )
  ) {
    throw new OpenPgpError('key-passphrase', `The secret key for ${keyIds.join(', ')} can't be unlocked`, { keyIds });
  }
  if (says(/Card not present|card removed/i)) {
    throw new OpenPgpError('no-secret-key', 'The smart card with the secret key is not inserted', {
      keyIds,
      hint: 'Insert the card and try again.',
    });
  }
}
