# peer: duplicity-python2.7
# Names with local times, their colons replaced; the zone is not UTC. Read with --time-separator _.
mode symmetric
export TZ=Asia/Kolkata
OPTIONS+=(--old-filenames --time-separator _)
tree_1 && backup full 1
tree_2 && backup incremental 2
tree_3 && backup incremental 3
