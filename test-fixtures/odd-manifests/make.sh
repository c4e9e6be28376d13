# peer: duplicity-current
# What lines of manifests may look like: CRLF, other blanks and cases, unknown fields, no last line end, volumes twice. The archive is of 3.2.1, edited, and 3.2.1 restores it.
mode gzip
tree_1 && backup full 1
tree_2 && backup incremental 2
full=target/duplicity-full.20231114T221320Z.manifest
inc=target/duplicity-inc.20231114T221320Z.to.20231114T223000Z.manifest
sed -i -e 's/^    StartingPath   /\tstartingpath /' -e 's/^    EndingPath     / ENDINGPATH\t/' -e '/^Volume/a\    Colour green' -e '/^Filelist/,$d' "$full"
{ sed -n '/^Volume/,/Hash/p' "$full" | sed 's/SHA1 .*/SHA1 0000000000000000000000000000000000000000/'; sed -n '/^Volume/,/Hash/p' "$full"; } >volumes
{ grep -v '^Localdir' "$full" | sed '/^Volume/,$d'; cat volumes; } >"$full.new" && mv "$full.new" "$full"
printf '%s' "$(sed '/^Filelist/,$d' "$inc")" >"$inc.new" && mv "$inc.new" "$inc"
