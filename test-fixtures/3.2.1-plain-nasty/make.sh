# peer: duplicity-current
# Every type, times, owners and names; tar end blocks; five sets.
mode plain
tree_1 && tree_nasty && backup full 1
tree_2 && backup incremental 2
tree_3 && backup incremental 3
backup incremental 4
tree_5 && backup incremental 5
