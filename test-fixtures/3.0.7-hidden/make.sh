# peer: duplicity-3.0
# Encrypted to a hidden recipient.
mode hidden
tree_1 && backup full 1
tree_2 && backup incremental 2
