# peer: duplicity-1
# Plain volumes without tar end blocks.
mode plain
tree_1 && tree_big 1200000 && backup full 1 --volsize 1
tree_2 && backup incremental 2
