Hostname vm
Localdir source
Volume 1:
    StartingPath   dir/inner  
    EndingPath     two-chunks  
    Hash SHA1 da0657e881a1bc8f1a4e5f9d2a74170fae3cdf8e
Filelist 7
    changed  dir/inner
    changed  letter
    deleted  sub/gone
    new      turns/into-directory/inside
    new      turns/into-file
    deleted  turns/into-file/below
    changed  two-chunks
