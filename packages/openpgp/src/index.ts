/**
 * @redup/openpgp: OpenPGP messages as streams.
 *
 * `createSeal` writes one encrypted message for a synchronous pipeline (frame, compress elsewhere,
 * encrypt); `seal` and `sealBytes` do all of it. `open`, `openBytes` and `checkMessage` read what
 * this package, GnuPG or others wrote.
 */
export type { SessionKey } from './algorithms.js';
export { OpenPgpError, type OpenPgpErrorCode, type OpenPgpErrorDetails } from './errors.js';
export { checkMessage, type KeySource, type OpenOptions, open, openBytes } from './open.js';
export {
  createSeal,
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
