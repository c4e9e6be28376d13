# What the make.sh of every fixture begins with: trees of files, and the command lines of duplicity, each of which is
# also written into commands.txt. It runs as root in an empty folder; DUPLICITY, NODE and KEYS come from
# `node packages/testkit/scripts/fixtures.mjs make NAME…`.

set -euo pipefail
umask 022
export TZ="${TZ:-UTC}" LC_ALL=C.UTF-8
OPTIONS=()
touch sets commands.txt

# The moment of the n-th backup: 14 November 2023, 22:13:20 UTC, and a thousand seconds later each time.
moment() { echo $((1700000000 + 1000 * ($1 - 1))); }

# BYTES that look random and are the same on every machine.
data() { openssl enc -aes-128-ctr -K "$(printf '%032x' "$1")" -iv 00 </dev/zero 2>/dev/null | head -c "$2" || true; }

# at SECONDS FILE…: sets mtimes.
at() { local t="$1"; shift; touch --no-dereference --date "@$t" -- "$@"; }

duplicity() { printf '%s\n' "duplicity ${*@Q}" >>commands.txt; "$DUPLICITY" "$@" >>log 2>&1; }

# mode NAME: how the archive is stored. Keys and passphrase are those of keys/.
mode() {
  echo "$1" >mode
  case "$1" in
    plain) OPTIONS+=(--no-encryption --no-compression) ;;
    gzip) OPTIONS+=(--no-encryption) ;;
    symmetric) ;;
    symmetric-signed) OPTIONS+=(--sign-key "$SIGN_KEY") ;;
    public) OPTIONS+=(--encrypt-key "$ENCRYPT_KEY") ;;
    hidden) OPTIONS+=(--hidden-encrypt-key "$ENCRYPT_KEY") ;;
    public-signed) OPTIONS+=(--encrypt-key "$ENCRYPT_KEY" --sign-key "$SIGN_KEY") ;;
    hidden-signed) OPTIONS+=(--hidden-encrypt-key "$ENCRYPT_KEY" --sign-key "$SIGN_KEY") ;;
  esac
  case "$1" in plain | gzip) ;; *) export PASSPHRASE=fixture SIGN_PASSPHRASE=fixture ;; esac
}

# backup TYPE N [OPTION…]: the n-th backup of source; what source holds is remembered beside it.
backup() {
  local type="$1" n="$2"
  shift 2
  "$NODE" "$FIXTURES" describe source >"source-$n.json"
  duplicity "$type" --archive-dir archive --current-time "$(moment "$n")" "${OPTIONS[@]}" "$@" source file://target
  echo "$type $(moment "$n") $n" >>sets
}

manifests() { find "$1" -name '*manifest*' | wc -l; }

# interrupted TYPE N CONDITION…: the same, killed as soon as the condition holds; until it was hit, everything is put back.
interrupted() {
  local type="$1" n="$2" try pid
  shift 2
  mkdir -p target archive
  for try in $(seq 1 60); do
    rm -rf kept && mkdir kept && cp -a target archive kept
    "$DUPLICITY" "$type" --archive-dir archive --current-time "$(moment "$n")" "${OPTIONS[@]}" source file://target >>log 2>&1 &
    pid=$!
    until "$@" || ! kill -0 "$pid" 2>/dev/null; do :; done
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    if "$@" && [ "$(manifests target)" = "$(manifests kept/target)" ]; then
      echo "duplicity '$type' … --current-time $(moment "$n") … source file://target, killed when: $*" >>commands.txt
      rm -rf kept target/*.tmp archive/*/duplicity-*-tempdir archive/*/lockfile*
      return
    fi
    rm -rf target archive && mv kept/target kept/archive .
  done
  echo "could not interrupt at: $*" >&2
  return 1
}

# The tree of the first backup. Ordinary things, sizes at the edges of the format, types that will change.
tree_1() {
  mkdir -p source/{dir,dir.b,turns,sub/deep/deeper} && chmod 1777 source/dir.b
  echo 'first' >source/letter
  : >source/empty
  echo 'inner' >source/dir/inner
  echo 'before dir/inner in bytes, behind it by components' >source/dir.b/inner
  data 1 65536 >source/exact
  data 2 70000 >source/two-chunks
  data 3 511 >source/sub/deep/deeper/almost-a-block
  echo 'will be deleted' >source/sub/gone
  echo 'a file' >source/turns/into-directory
  mkdir source/turns/into-file && echo 'below' >source/turns/into-file/below
  ln -s letter source/turns/into-fifo
  ln -s letter source/link
  ln -s ../no/such/place source/dangling
  mkfifo source/pipe
  chmod 4755 source/letter && chmod 000 source/dir/inner
  chown 1:1 source/exact
  at 1600000000 source/letter source/empty source/exact source/two-chunks source/*/* source/link source/dangling
  at 1600000000 source/sub/deep/deeper/* source/sub/deep/deeper source/sub/deep source/pipe source/turns/into-file/*
  at 1600000000 source/turns/into-file source/dir source/dir.b source/turns source/sub source
}

# What is only rarely seen: devices, large and unknown owners, times before 1970 and far away, names of every sort.
tree_nasty() {
  mknod source/char c 4 64 && mknod source/block b 7 255
  echo x >source/large-owner && chown 4000000:3000000 source/large-owner
  echo x >source/largest-owner && chown 4294967294:4294967294 source/largest-owner
  mkdir source/times source/names
  local t
  for t in 0 1 -1 -86400 2147483648 4102444800 8589934592 15032385535; do
    echo "$t" >"source/times/$t" && at "$t" "source/times/$t"
  done
  local name
  for name in ' leading' 'trailing ' $'new\nline' $'ends in newline\n' $'tab\there' $'carriage\r' 'back\slash' '\x20' \
    '"quoted"' "it's" '-rf' '...' '*' '?' '[a-b]' '%41' '#' $'\x7f' $'\e[31m' 'zoë' $'zoe\u0308' '日本' '😀' "${BAD_NAMES[@]}" \
    "$(printf 'n%.0s' {1..100})" "$(printf 'm%.0s' {1..101})" "$(printf 'l%.0s' {1..255})"; do
    printf '%s' "$name" >"source/names/$name"
  done
  local long="source/names/$(printf 'd%.0s' {1..120})/$(printf 'e%.0s' {1..120})/$(printf 'f%.0s' {1..120})"
  mkdir -p "$long" && echo deep >"$long/file" && ln -s "$(printf 't%.0s' {1..200})" "$long/long-link"
  find source/names source/times -depth ! -path 'source/times/*' -exec touch --no-dereference --date @1600000000 -- {} +
  at 1600000000 source/char source/block source/large-owner source/largest-owner source
}
# Bytes that are no UTF-8.
BAD_NAMES=($'\xff' $'zo\xeb' $'\xc3' $'\xed\xa0\x80')

# A file of BYTES incompressible bytes that volumes cut, between others.
tree_big() { data 7 "$1" >source/middle && at 1600000000 source/middle source; }

# Between the first backup and the second: contents, types, modes, deletions.
tree_2() {
  echo 'first, and more' >source/letter
  { head -c 30000 source/two-chunks; echo inserted; tail -c +30001 source/two-chunks; data 4 1000; } >changed && cat changed >source/two-chunks && rm changed
  [ ! -e source/middle ] || { printf 'changed here' | dd of=source/middle bs=1 seek=100000 conv=notrunc status=none; data 8 500 >>source/middle; at 1650000000 source/middle; }
  rm source/sub/gone source/turns/into-directory source/turns/into-fifo
  rm -r source/turns/into-file
  mkdir source/turns/into-directory && echo 'in it' >source/turns/into-directory/inside
  echo 'was a directory' >source/turns/into-file && mkfifo source/turns/into-fifo
  chmod 644 source/dir/inner && chmod 755 source/dir.b
  at 1650000000 source/letter source/two-chunks source/turns/into-directory/inside source/turns/* source/turns source/sub
}

# Third: a whole folder goes, a name comes back, a link points elsewhere, only a time changes.
tree_3() {
  rm -r source/dir && echo 'again' >source/sub/gone && ln -sfn empty source/link
  at 1660000000 source/exact source/sub/gone source/sub source
}

# Fourth: nothing at all. Fifth: things move, a file shrinks.
tree_5() {
  mv source/sub/deep source/deep && truncate --size 40000 source/two-chunks && echo 'grown' >>source/empty
  at 1670000000 source/two-chunks source/empty source/sub source/deep source
}

# Many small changes, for long chains: the n-th changes one file and makes another.
tree_step() {
  echo "$1" >>source/letter && echo "new in $1" >"source/step-$1" && at $((1680000000 + $1)) source/letter "source/step-$1" source
  [ ! -e "source/step-$(($1 - 3))" ] || { rm "source/step-$(($1 - 3))"; at $((1680000000 + $1)) source; }
}

# What duplicity itself makes of every time, from the target alone: the truth that redup is held to.
restore_all() {
  local type time n
  while read -r type time n; do
    duplicity restore --archive-dir "fresh-$n" --time "$time" "${OPTIONS[@]}" file://target "restored-$n"
    "$NODE" "$FIXTURES" describe "restored-$n" >"restored-$n.json"
  done <sets
}
