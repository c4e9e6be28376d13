# peer: duplicity-3.0
# Every type, times, owners and names; one set only.
mode plain
tree_1 && tree_nasty && backup full 1
