# peer: duplicity-python3.7
# The same headers by Python 3, in gzip, with a file over two volumes.
mode gzip
BAD_NAMES=()
tree_1 && tree_nasty && tree_big 1200000 && backup full 1 --volsize 1
tree_2 && backup incremental 2
