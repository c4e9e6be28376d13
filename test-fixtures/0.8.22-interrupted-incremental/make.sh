# peer: duplicity-debian
# An incremental backup, killed while its second volume was being stored.
mode plain
tree_1 && backup full 1
tree_2 && tree_big 3600000
OPTIONS+=(--volsize 1)
interrupted incremental 2 test -e target/duplicity-inc.20231114T221320Z.to.20231114T223000Z.vol2.difftar
