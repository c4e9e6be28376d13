# peer: duplicity-1
# A passphrase, and signed.
mode symmetric-signed
tree_1 && backup full 1
tree_2 && backup incremental 2
tree_3 && backup incremental 3
