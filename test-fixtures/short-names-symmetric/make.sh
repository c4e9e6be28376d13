# peer: duplicity-debian
# Short file names of encrypted files.
mode symmetric
OPTIONS+=(--short-filenames)
tree_1 && backup full 1
tree_2 && backup incremental 2
