# peer: duplicity-2
# Encrypted to a hidden recipient and signed.
mode hidden-signed
tree_1 && backup full 1
tree_2 && backup incremental 2
tree_3 && backup incremental 3
