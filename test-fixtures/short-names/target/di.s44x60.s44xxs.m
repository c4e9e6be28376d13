Hostname vm
Localdir source
Volume 1:
    StartingPath   .  
    EndingPath     sub/gone  
    Hash SHA1 1524ef2f7b5b331e2a919790c9b3a238cfe1e293
Filelist 3
    deleted  dir/inner
    changed  exact
    new      sub/gone
