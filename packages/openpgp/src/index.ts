/**
 * @redup/openpgp: OpenPGP messages as streams.
 *
 * `createSeal` writes one encrypted message for a synchronous pipeline (frame, compress elsewhere,
 * encrypt); `seal` and `sealBytes` do all of it. `open`, `openBytes` and `checkMessage` read what
 * this package, GnuPG or others wrote. Keys come from a GnuPG home (`openGnupg`), whose secrets stay
 * with gpg-agent, or from key files (`openKeyFiles`), which need no GnuPG.
 */
export type { SessionKey } from './algorithms.js';
export { OpenPgpError, type OpenPgpErrorCode, type OpenPgpErrorDetails } from './errors.js';
export { type GnupgOptions, openGnupg } from './gnupg.js';
export type { GpgOptions } from './gpg-process.js';
export { type KeyFileOptions, type KeyOptions, openKeyFiles, openKeys } from './key-files.js';
export { combineKeySources, type KeySource } from './key-source.js';
export type { MessageSignature, TrustedSigner } from './message-signatures.js';
export { checkMessage, type OpenOptions, open, openBytes } from './open.js';
export {
  createSeal,
  MOST_KNOWN_BYTES,
  type Recipient,
  type Seal,
  type SealOptions,
  type SignatureInProgress,
  type Signer,
  seal,
  sealBytes,
} from './seal.js';
export { Secret } from './secret.js';
export type { KeyEncryptedSessionKey } from './session-keys.js';
