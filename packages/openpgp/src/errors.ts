/**
 * The one error class of this package. `code` is stable and says what happened, `hint` says in one
 * line what the user can do, `subject` names the message concerned where the caller gave its name,
 * `keyIds` the keys. Messages never hold a secret, nor anything decrypted.
 */

/**
 * - `wrong-passphrase`: none of the passphrases opens the message. `no-passphrase`: it needs one and none was given.
 * - `no-secret-key`: encrypted to keys (`keyIds`) whose secret part is not at hand. `key-passphrase`: the secret key stays locked.
 * - `unknown-key`: no such key in the key sources. `ambiguous-key`: several. `expired-key`, `revoked-key`: it is.
 *   `unusable-key`: it can't do what is asked (encrypt, sign).
 * - `not-openpgp`: this is no OpenPGP message. `not-encrypted`: it is one, but without encryption.
 * - `truncated`: it ends too early. `trailing-data`: something follows its end. `damaged`: its structure is broken.
 * - `modified`: the integrity check failed. `no-integrity`: it has none (old packet), which no current program writes.
 * - `too-large`: more plaintext than allowed. `refused`: nested, absurd lengths or counts.
 * - `unsupported`: an algorithm or packet version that is not known here.
 * - `unsigned`, `wrong-signer`, `bad-signature`: a signature was demanded, and is missing, another's, or does not hold.
 * - `gpg-missing`, `gpg-failed`, `agent-unreachable`: the GnuPG that was asked to help.
 * - `secret-file`: a file with a secret is readable by others, or not at all.
 */
export type OpenPgpErrorCode =
  | 'wrong-passphrase'
  | 'no-passphrase'
  | 'no-secret-key'
  | 'key-passphrase'
  | 'unknown-key'
  | 'ambiguous-key'
  | 'expired-key'
  | 'revoked-key'
  | 'unusable-key'
  | 'not-openpgp'
  | 'not-encrypted'
  | 'truncated'
  | 'trailing-data'
  | 'damaged'
  | 'modified'
  | 'no-integrity'
  | 'too-large'
  | 'refused'
  | 'unsupported'
  | 'unsigned'
  | 'wrong-signer'
  | 'bad-signature'
  | 'gpg-missing'
  | 'gpg-failed'
  | 'agent-unreachable'
  | 'secret-file';

const FETCH_AGAIN = 'Fetch it again; if that fails, use another copy.';

const HINTS: Record<OpenPgpErrorCode, string> = {
  'wrong-passphrase': 'Check the passphrase (PASSPHRASE, --passphrase-file) that this archive was made with.',
  'no-passphrase': 'Give the passphrase, for example with PASSPHRASE or --passphrase-file.',
  'no-secret-key':
    'Make one of these secret keys available: import it into GnuPG, insert the card, or give its key file.',
  'key-passphrase': 'Check the passphrase of the secret key.',
  'unknown-key': 'Check the key id with `gpg --list-keys`, or give the path of a key file, such as ./key.asc.',
  'ambiguous-key': 'Give the full fingerprint.',
  'expired-key': 'Extend the key with `gpg --quick-set-expire`, or choose another one.',
  'revoked-key': 'Choose another key.',
  'unusable-key': 'Choose a key with a valid subkey for this purpose (`gpg --list-keys` shows [E] and [S]).',
  'not-openpgp': `This is not an OpenPGP message. ${FETCH_AGAIN}`,
  'not-encrypted': 'The archive should be encrypted and this part is not: it may have been replaced.',
  truncated: FETCH_AGAIN,
  'trailing-data': FETCH_AGAIN,
  damaged: FETCH_AGAIN,
  modified: `The message was damaged or tampered with. ${FETCH_AGAIN}`,
  'no-integrity':
    'Such a message can be altered unnoticed and is refused. Open it with `gpg --ignore-mdc-error` at your own risk.',
  'too-large': 'It is refused as a decompression bomb.',
  refused: 'No backup program writes such a message; it is refused.',
  unsupported: 'Open it with `gpg --decrypt`, which may know this algorithm.',
  unsigned: 'A signature is demanded (--sign-key) and this part has none: it may have been replaced.',
  'wrong-signer': 'This part was signed by another key than --sign-key names: it may have been replaced.',
  'bad-signature': `The signature does not match. ${FETCH_AGAIN}`,
  'gpg-missing': 'Install GnuPG, name it with --gpg-binary, or use key files, which need no GnuPG.',
  'gpg-failed': 'Run gpg by hand with the same GNUPGHOME to see more.',
  'agent-unreachable': 'Start it with `gpgconf --launch gpg-agent`, and check GNUPGHOME.',
  'secret-file': 'Make the file readable by its owner alone: `chmod 600 FILE`.',
};

export interface OpenPgpErrorDetails {
  readonly hint?: string;
  readonly subject?: string;
  readonly keyIds?: readonly string[];
  readonly cause?: unknown;
}

export class OpenPgpError extends Error {
  readonly code: OpenPgpErrorCode;
  readonly hint: string;
  readonly subject: string | undefined;
  /** Upper-case hexadecimal ids of the keys concerned. */
  readonly keyIds: readonly string[];

  constructor(code: OpenPgpErrorCode, message: string, details: OpenPgpErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'OpenPgpError';
    this.code = code;
    this.hint = details.hint ?? HINTS[code];
    this.subject = details.subject;
    this.keyIds = details.keyIds ?? [];
  }
}
