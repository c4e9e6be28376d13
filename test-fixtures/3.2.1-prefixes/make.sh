# peer: duplicity-current
# Names with prefixes.
mode gzip
OPTIONS+=(--file-prefix p. --file-prefix-archive a. --file-prefix-manifest m. --file-prefix-signature s.)
tree_1 && backup full 1
tree_2 && backup incremental 2
