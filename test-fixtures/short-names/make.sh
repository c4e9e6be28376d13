# peer: duplicity-debian
# Short file names with times to the base of 36.
mode gzip
OPTIONS+=(--short-filenames)
tree_1 && backup full 1
tree_2 && backup incremental 2
tree_3 && backup incremental 3
