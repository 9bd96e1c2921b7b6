#!/bin/sh
# common.sh FILE: the lines of FILE as the members of a C array of texts, on standard output.
set -eu
sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/?/\\?/g' -e 's/^/"/' -e 's/$/",/' "$1"
