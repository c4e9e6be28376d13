/**
 * The `openpgp` library, loaded when the first key is needed: loading it takes longer than a whole
 * run that finds nothing to back up. It does public-key operations, key validity, old ciphers and
 * BZip2; bulk data of today's messages never passes through it.
 */
import type * as OpenPgp from 'openpgp';

export type Library = typeof OpenPgp;

let loading: Promise<Library> | undefined;

export function loadLibrary(): Promise<Library> {
  loading ??= import('openpgp').then((library) => {
    // Nothing of this program or its version belongs into key files or messages.
    library.config.showVersion = false;
    library.config.showComment = false;
    return library;
  });
  return loading;
}

/**
 * For what exists already: backups of many years ago, made with keys that nobody would make today,
 * must open. SHA-1 signatures count, as they do for gpg 2.2 (GnuPG 1.4 makes no others); MD5 does not.
 */
export function readingConfig(library: Library): OpenPgp.PartialConfig {
  const { hash } = library.enums;
  return {
    rejectPublicKeyAlgorithms: new Set(),
    rejectCurves: new Set(),
    minRSABits: 1024,
    rejectHashAlgorithms: new Set([hash.md5]),
    rejectMessageHashAlgorithms: new Set([hash.md5]),
    allowUnauthenticatedStream: true,
    allowInsecureDecryptionWithSigningKeys: true,
    ignoreUnsupportedPackets: true,
  };
}

/** For new messages: the library's own policy (no ElGamal, no DSA, RSA from 2047 bits), for keys on which flags are absent too. */
export function writingConfig(): OpenPgp.PartialConfig {
  return { allowMissingKeyFlags: true };
}

/** The library's functions outside its top level take a whole configuration. */
export function wholeConfig(library: Library, config: OpenPgp.PartialConfig): OpenPgp.Config {
  return { ...library.config, ...config };
}
