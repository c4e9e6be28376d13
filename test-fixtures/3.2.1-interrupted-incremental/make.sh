# peer: duplicity-current
# An incremental backup, killed when its first volume lay there, before there was a partial manifest.
mode gzip
tree_1 && backup full 1
tree_2 && tree_big 2500000
OPTIONS+=(--volsize 1)
interrupted incremental 2 test -e target/duplicity-inc.20231114T221320Z.to.20231114T223000Z.vol1.difftar.gz
