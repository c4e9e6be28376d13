# peer: duplicity-debian
# Names with local times and colons, west of Greenwich.
mode gzip
export TZ=America/New_York
OPTIONS+=(--old-filenames)
tree_1 && backup full 1
tree_2 && backup incremental 2
