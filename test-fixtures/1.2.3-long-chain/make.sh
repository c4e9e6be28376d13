# peer: duplicity-1
# A full backup and nineteen incremental ones.
mode gzip
tree_1 && backup full 1
for n in {2..20}; do tree_step "$n" && backup incremental "$n"; done
