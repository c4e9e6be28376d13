# peer: duplicity-python2.7
# Headers of GNU tar, as every Python before 3.8 wrote them.
mode plain
BAD_NAMES=()
tree_1 && tree_nasty && backup full 1
tree_2 && backup incremental 2
tree_3 && backup incremental 3
