# peer: duplicity-current
# Manifests as releases before 0.7 wrote them: no file list; and hashes of MD5, which every release reads. The archive is of 3.2.1, its manifests are edited, and 3.2.1 restores it.
mode gzip
tree_1 && backup full 1
tree_2 && backup incremental 2
for manifest in target/*.manifest; do
  volume="$(echo "${manifest%.manifest}".vol1.difftar.gz)"
  sed -i -e '/^Filelist/,$d' -e "s/^    Hash SHA1 .*/    Hash MD5 $(md5sum "$volume" | cut -d' ' -f1)/" "$manifest"
done
