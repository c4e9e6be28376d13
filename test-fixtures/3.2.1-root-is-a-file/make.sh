# peer: duplicity-current
# The source is a file, first small, then in chunks.
mode plain
echo small >source && at 1600000000 source && backup full 1
data 9 140000 >source && at 1650000000 source && backup incremental 2
echo small again >source && at 1660000000 source && backup incremental 3
