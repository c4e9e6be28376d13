/** Numbers of OpenPGP's registries (RFC 4880 and 9580, sections 5 and 9), with what is needed to use them. */

export const TAG = {
  publicKeySessionKey: 1,
  signature: 2,
  symmetricSessionKey: 3,
  onePassSignature: 4,
  compressed: 8,
  encryptedOld: 9,
  marker: 10,
  literal: 11,
  encryptedMdc: 18,
  mdc: 19,
  encryptedAead: 20,
  padding: 21,
} as const;

export const COMPRESSION = { none: 0, zip: 1, zlib: 2, bzip2: 3 } as const;

export interface Cipher {
  readonly id: number;
  readonly name: string;
  readonly keyBytes: number;
  readonly blockBytes: number;
  /** Prefix of node:crypto's names (`aes-256` → `aes-256-cfb`); absent when only the openpgp library has it. */
  readonly node?: string;
}

const CIPHERS: readonly Cipher[] = [
  { id: 2, name: '3DES', keyBytes: 24, blockBytes: 8, node: 'des-ede3' },
  { id: 3, name: 'CAST5', keyBytes: 16, blockBytes: 8 },
  { id: 4, name: 'Blowfish', keyBytes: 16, blockBytes: 8 },
  { id: 7, name: 'AES128', keyBytes: 16, blockBytes: 16, node: 'aes-128' },
  { id: 8, name: 'AES192', keyBytes: 24, blockBytes: 16, node: 'aes-192' },
  { id: 9, name: 'AES256', keyBytes: 32, blockBytes: 16, node: 'aes-256' },
  { id: 10, name: 'Twofish', keyBytes: 32, blockBytes: 16 },
  { id: 11, name: 'Camellia128', keyBytes: 16, blockBytes: 16, node: 'camellia-128' },
  { id: 12, name: 'Camellia192', keyBytes: 24, blockBytes: 16, node: 'camellia-192' },
  { id: 13, name: 'Camellia256', keyBytes: 32, blockBytes: 16, node: 'camellia-256' },
];

export const AES256 = 9;

export function cipherById(id: number): Cipher | undefined {
  return CIPHERS.find((cipher) => cipher.id === id);
}

/** node:crypto's names of hash algorithms. */
const HASHES: Readonly<Record<number, string>> = {
  1: 'md5',
  2: 'sha1',
  3: 'ripemd160',
  8: 'sha256',
  9: 'sha384',
  10: 'sha512',
  11: 'sha224',
};

export const SHA256 = 8;

export function hashById(id: number): string | undefined {
  return HASHES[id];
}

/** A symmetric key with the cipher it is for. */
export interface SessionKey {
  readonly cipher: Cipher;
  readonly key: Uint8Array;
}
