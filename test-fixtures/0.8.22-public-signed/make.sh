# peer: duplicity-debian
# Encrypted to a key and signed by another.
mode public-signed
tree_1 && backup full 1
tree_2 && backup incremental 2
tree_3 && backup incremental 3
backup incremental 4
