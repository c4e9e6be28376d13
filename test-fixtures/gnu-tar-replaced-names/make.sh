# peer: duplicity-python2.7
# Bytes that are no UTF-8 became U+FFFD in volumes, not in signatures: two files of one name, and names out of order.
mode gzip
mkdir -p source/names
for name in zo 'zoë' '日本' "${BAD_NAMES[@]}"; do echo "${name@Q}" >"source/names/$name"; done
at 1600000000 source/names/* source/names source
backup full 1
