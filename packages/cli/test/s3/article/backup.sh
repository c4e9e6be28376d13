#!/bin/bash

# Make GPG explicitly aware of our private key,
# since we'll be running this via cron as root
HOME="/home/kappataumu"
export HOME=$HOME

# Load our credentials
source "$HOME/.duplicity/.credentials.conf"

export PASSPHRASE
export AWS_ACCESS_KEY_ID
export AWS_SECRET_ACCESS_KEY

GPG_KEY='5E46FBDC'

duplicity \
    --verbosity notice \
    --s3-use-new-style \
    --encrypt-key="$GPG_KEY" \
    --sign-key="$GPG_KEY" \
    --full-if-older-than 7D \
    --asynchronous-upload \
    --volsize=100 \
    --log-file "$HOME/.duplicity/notice.log" \
    /your/backup/directory/ \
    s3+http://bucket-duplicity/

unset PASSPHRASE
unset AWS_ACCESS_KEY_ID
unset AWS_SECRET_ACCESS_KEY
