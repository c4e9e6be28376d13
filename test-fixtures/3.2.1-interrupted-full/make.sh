# peer: duplicity-current
# The first backup, killed while its second volume was being stored.
mode plain
tree_1 && tree_big 3600000
OPTIONS+=(--volsize 1)
interrupted full 1 test -e target/duplicity-full.20231114T221320Z.vol2.difftar
