# peer: duplicity-debian
# An incremental backup, killed when its signatures lay there and its manifest did not.
mode gzip
tree_1 && backup full 1
tree_2
interrupted incremental 2 test -e target/duplicity-new-signatures.20231114T221320Z.to.20231114T223000Z.sigtar.gz
