#!/usr/bin/env bash
# Makes the keys of the encrypted fixtures, anew: `bash test-fixtures/keys/make.sh`. They protect nothing; the passphrase of both is "fixture".
set -euo pipefail
cd "$(dirname "$0")"
export GNUPGHOME="$(mktemp -d)"
for name in encrypt sign; do
  gpg --batch --quiet --pinentry-mode loopback --passphrase fixture --quick-generate-key "$name@fixtures.example" rsa2048 default never
  gpg --batch --quiet --pinentry-mode loopback --passphrase fixture --quick-add-key "$(gpg --with-colons --list-keys "$name@fixtures.example" | awk -F: '$1 == "fpr" { print $10; exit }')" rsa2048 encrypt never
  gpg --batch --quiet --pinentry-mode loopback --passphrase fixture --armor --export-secret-keys "$name@fixtures.example" >"$name.asc"
  gpg --with-colons --list-keys "$name@fixtures.example" | awk -F: '$1 == "fpr" { print $10; exit }' >"$name.fingerprint"
done
gpgconf --kill all
rm -rf "$GNUPGHOME"
