# peer: duplicity-current
# Two chains, and a passphrase.
mode symmetric
tree_1 && backup full 1
tree_2 && backup incremental 2
tree_3 && backup full 3
tree_5 && backup incremental 4
