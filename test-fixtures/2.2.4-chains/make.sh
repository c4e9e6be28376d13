# peer: duplicity-2
# Three chains, the first two with incremental backups.
mode gzip
tree_1 && backup full 1
tree_2 && backup incremental 2
tree_3 && backup full 3
backup incremental 4
tree_5 && backup full 5
