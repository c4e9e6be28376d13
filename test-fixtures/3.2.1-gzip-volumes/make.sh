# peer: duplicity-current
# A file over two volumes.
mode gzip
tree_1 && tree_big 1300000 && backup full 1 --volsize 1
tree_2 && backup incremental 2 --volsize 1
tree_3 && backup incremental 3
