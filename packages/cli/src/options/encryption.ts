/** Options of encryption and signatures. */

import type { OptionTable } from './spec.js';

const group = 'Encryption';

export const encryptionOptions = {
  'no-encryption': { kind: 'flag', group, help: 'do not encrypt; anybody who reads the target reads the files' },
  encryption: { kind: 'undo', negates: 'no-encryption', group, hidden: true, help: 'encrypt (the default)' },
  'passphrase-file': {
    kind: 'path',
    arg: 'FILE',
    group,
    own: true,
    help: 'take the passphrase from the first line of FILE instead of PASSPHRASE',
  },
  'passphrase-fd': {
    kind: 'integer',
    arg: 'N',
    min: 0,
    group,
    own: true,
    help: 'take the passphrase from the file descriptor N',
  },
  'encrypt-key': { kind: 'list', arg: 'KEY', group, help: 'encrypt to this key; may be repeated' },
  'hidden-encrypt-key': {
    kind: 'list',
    arg: 'KEY',
    group,
    help: 'encrypt to this key without naming it in the archive; may be repeated',
  },
  'sign-key': { kind: 'text', arg: 'KEY', group, help: 'sign with this key; when reading, demand its signature' },
  'encrypt-sign-key': { kind: 'text', arg: 'KEY', group, help: 'encrypt to this key and sign with it' },
  'encrypt-secret-keyring': { kind: 'path', arg: 'FILE', group, help: 'secret keys to decrypt with' },
  'gpg-binary': { kind: 'path', arg: 'PATH', group, default: 'gpg', help: 'the GnuPG program' },
  'gpg-options': { kind: 'words', arg: 'OPTIONS', group, help: 'further options of GnuPG (write --gpg-options=…)' },
  'use-agent': { kind: 'flag', group, help: 'let the GnuPG agent ask for passphrases' },
  'use-gpgsm': {
    kind: 'flag',
    group,
    hidden: true,
    status: { refused: 'archives in the format of gpgsm (PKCS#7) are not supported' },
    help: 'use gpgsm',
  },
} as const satisfies OptionTable;
