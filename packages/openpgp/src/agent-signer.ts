/** Signing a digest in gpg-agent: the secret key stays where it is, in the agent's store or on a card. */
import { randomBytes } from 'node:crypto';
import type { Key } from 'openpgp';
import { hashById } from './algorithms.js';
import { AssuanClient, AssuanError, ERROR_NUMBERS, findAtom, type Inquiries, parseExpression } from './assuan.js';
import { OpenPgpError } from './errors.js';
import { type GpgProcess, reachesNoAgent } from './gpg-process.js';
import { asKeyId, chooseSubkey, idOf } from './key-ring.js';
import type { Secret } from './secret.js';
import { type DigestSigner, encodeInteger, hashForKey } from './sign.js';

/** A secret key as `gpg --list-secret-keys --with-colons` shows it. */
interface SecretPart {
  readonly keyId: string;
  readonly fingerprint: string;
  readonly keygrip: string;
  readonly isAvailable: boolean;
}

/** Chooses the part of `key` that signs and whose secret the agent has, and proves that it signs. */
export async function makeAgentSigner(
  gpg: GpgProcess,
  key: Key,
  id: string,
  passphrase: Secret | undefined,
): Promise<DigestSigner> {
  const parts = await listSecretParts(gpg, key.getFingerprint());
  const part = await choosePart(key, id, parts);
  const info = key.getKeys().find((candidate) => idOf(candidate) === part.keyId);
  if (info === undefined)
    throw new OpenPgpError('unknown-key', `gpg knows no key ${part.keyId}`, { keyIds: [part.keyId] });
  const hashId = hashForKey(info.getAlgorithmInfo().curve);
  const socket = await gpg.agentSocket();
  const signer: DigestSigner = {
    keyId: part.keyId,
    fingerprint: part.fingerprint,
    algorithm: info.keyPacket.algorithm,
    hashId,
    sign: (digest) => signInAgent(socket, part, hashId, digest, passphrase),
  };
  // A wrong passphrase should show before the first volume is made: a signature of noise proves it.
  await signer.sign(randomBytes(hashBytes(hashId)));
  return signer;
}

async function listSecretParts(gpg: GpgProcess, fingerprint: string): Promise<SecretPart[]> {
  const args = ['--with-colons', '--with-keygrip', '--fixed-list-mode', '--list-secret-keys', fingerprint];
  const result = await gpg.run(args, new Uint8Array(0));
  if (reachesNoAgent(result)) {
    throw new OpenPgpError('agent-unreachable', 'gpg can reach no agent', {
      keyIds: [fingerprint.slice(-16).toUpperCase()],
    });
  }
  const parts: SecretPart[] = [];
  let current: { keyId: string; fingerprint: string; isAvailable: boolean } | undefined;
  for (const line of result.stdout.toString('utf8').split('\n')) {
    const fields = line.split(':');
    const [kind] = fields;
    // Field 15 is `#` when the secret is elsewhere, `+` or a card's number when it can be used.
    if (kind === 'sec' || kind === 'ssb')
      current = { keyId: fields[4] ?? '', fingerprint: '', isAvailable: fields[14] !== '#' };
    if (kind === 'fpr' && current?.fingerprint === '') current = { ...current, fingerprint: fields[9] ?? '' };
    if (kind === 'grp' && current !== undefined) {
      parts.push({ ...current, keygrip: fields[9] ?? '' });
      current = undefined;
    }
  }
  return parts;
}

/** The part that would sign if all secrets were at hand; failing that, the newest that can. */
async function choosePart(key: Key, id: string, parts: readonly SecretPart[]): Promise<SecretPart> {
  const available = parts.filter((part) => part.isAvailable);
  const byAge = [...key.subkeys].sort((a, b) => b.getCreationTime().getTime() - a.getCreationTime().getTime());
  const candidates = [id, ...byAge.map((subkey) => subkey.getFingerprint()), key.getFingerprint()];
  for (const candidate of candidates) {
    const chosen = await chooseSubkey(key, candidate, 'sign');
    // A candidate that can't sign yields the default instead, which was looked at before.
    if (asKeyId(candidate) !== undefined || candidate === id) {
      const part = available.find((secret) => secret.keyId === idOf(chosen));
      if (part !== undefined) return part;
    }
  }
  const keyIds = [idOf(key)];
  throw new OpenPgpError('no-secret-key', `No secret key at hand to sign as ${idOf(key)}`, { keyIds });
}

function hashBytes(hashId: number): number {
  return hashId === 10 ? 64 : hashId === 9 ? 48 : 32;
}

async function signInAgent(
  socket: string,
  part: SecretPart,
  hashId: number,
  digest: Uint8Array,
  passphrase: Secret | undefined,
): Promise<Uint8Array> {
  const agent = await AssuanClient.connect(socket);
  try {
    await setUpPinentry(agent, passphrase !== undefined);
    await agent.command(`SIGKEY ${part.keygrip}`);
    await agent.command(
      `SETKEYDESC ${encodeURIComponent(`Sign a backup with the key ${part.keyId}`).replace(/%20/g, '+')}`,
    );
    await agent.command(`SETHASH --hash=${hashById(hashId)} ${Buffer.from(digest).toString('hex').toUpperCase()}`);
    const inquiries: Inquiries = passphrase === undefined ? {} : { PASSPHRASE: () => passphrase.use((bytes) => bytes) };
    return signatureIntegers(await agent.command('PKSIGN', inquiries));
  } catch (cause) {
    throw agentProblem(cause, part.keyId);
  } finally {
    agent.close();
  }
}

/** With a passphrase the agent asks us; without, its pinentry needs to know where the user sits. */
async function setUpPinentry(agent: AssuanClient, isLoopback: boolean): Promise<void> {
  const { GPG_TTY, TERM, DISPLAY } = process.env;
  const settings: string[] = [];
  if (isLoopback) settings.push('pinentry-mode=loopback');
  if (GPG_TTY) settings.push(`ttyname=${GPG_TTY}`);
  if (TERM) settings.push(`ttytype=${TERM}`);
  if (DISPLAY) settings.push(`display=${DISPLAY}`);
  for (const setting of settings) await agent.command(`OPTION ${setting}`);
}

function agentProblem(cause: unknown, keyId: string): unknown {
  if (!(cause instanceof AssuanError)) return cause;
  const keyIds = [keyId];
  if (cause.number === ERROR_NUMBERS.noSecretKey) {
    return new OpenPgpError('no-secret-key', `gpg-agent has no secret key ${keyId}`, { keyIds, cause });
  }
  const isUnlocking = [
    ERROR_NUMBERS.badPassphrase,
    ERROR_NUMBERS.cancelled,
    ERROR_NUMBERS.noPinentry,
    ERROR_NUMBERS.noPinentryAtAll,
  ];
  if (cause.isOfPinentry || isUnlocking.some((number) => number === cause.number)) {
    return new OpenPgpError('key-passphrase', `The secret key ${keyId} can't be unlocked: ${cause.message}`, {
      keyIds,
      cause,
    });
  }
  return new OpenPgpError('gpg-failed', `gpg-agent does not sign with ${keyId}: ${cause.message}`, { keyIds, cause });
}

/** `(sig-val(rsa(s …)))` or `(sig-val(ecdsa(r …)(s …)))` → the integers as a packet has them. */
function signatureIntegers(answer: Buffer): Uint8Array {
  const expression = parseExpression(answer);
  const r = findAtom(expression, 'r');
  const s = findAtom(expression, 's');
  if (s === undefined) throw new OpenPgpError('gpg-failed', 'gpg-agent sent a signature of an unknown kind');
  return Buffer.concat([...(r === undefined ? [] : [encodeInteger(r)]), encodeInteger(s)]);
}
