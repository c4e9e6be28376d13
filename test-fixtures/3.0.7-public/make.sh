# peer: duplicity-3.0
# Encrypted to a key.
mode public
tree_1 && backup full 1
tree_2 && backup incremental 2
tree_3 && backup incremental 3
