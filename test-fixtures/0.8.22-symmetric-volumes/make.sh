# peer: duplicity-debian
# A file over several encrypted volumes, and the padding that repeats their own ciphertext; five sets.
mode symmetric
tree_1 && tree_big 1300000 && backup full 1 --volsize 1
tree_2 && backup incremental 2 --volsize 1
tree_3 && backup incremental 3
backup incremental 4
tree_5 && backup incremental 5
