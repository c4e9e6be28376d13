Hostname vm
Localdir source
Volume 1:
    StartingPath   .  
    EndingPath     two-chunks  
    Hash SHA1 cf6ac384098050ade7b49918979462c19d155b00
Filelist 10
    new      dir/inner
    new      dir.b/inner
    new      empty
    new      exact
    new      letter
    new      sub/deep/deeper/almost-a-block
    new      sub/gone
    new      turns/into-directory
    new      turns/into-file/below
    new      two-chunks
