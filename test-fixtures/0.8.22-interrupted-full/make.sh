# peer: duplicity-debian
# A second full backup, killed while its first volume was being stored, which is empty.
mode gzip
tree_1 && backup full 1
tree_2 && tree_big 2500000
OPTIONS+=(--volsize 1)
interrupted full 2 test -e target/duplicity-full.20231114T223000Z.vol1.difftar.gz
