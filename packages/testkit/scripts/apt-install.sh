#!/usr/bin/env bash
# Installs the packages of ../apt-packages.txt that are missing. Asks nothing, and starts apt only when it has to.
set -euo pipefail

list="$(dirname "$0")/../apt-packages.txt"
missing=()
while read -r package; do
  # Only the whole state counts: a removed package leaves its name with dpkg.
  if [[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" != installed ]]; then
    missing+=("$package")
  fi
done < <(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$list")

if ((${#missing[@]} == 0)); then exit 0; fi
echo "apt: installing ${missing[*]}"
as_root=()
if ((EUID != 0)); then
  if ! sudo -n true 2>/dev/null; then
    echo "apt: not root, and sudo asks for a password; run: sudo apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo -n)
fi
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o APT::Install-Recommends=false
     -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300)
"${apt[@]}" update
"${apt[@]}" -y install "${missing[@]}" </dev/null
