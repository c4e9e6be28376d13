# peer: duplicity-2
# Every type, times, owners and names.
mode gzip
tree_1 && tree_nasty && backup full 1
tree_2 && backup incremental 2
tree_3 && backup incremental 3
