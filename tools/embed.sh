#!/bin/sh
# embed.sh NAME FILE...: the files as C text on standard output: an array NAME of {file name
# without folders and ending, contents}, in the order given.
set -eu
name=$1
shift
echo "/* Made by tools/embed.sh; do not edit. */"
echo "const struct embedded ${name}[] = {"
for file in "$@"; do
    base=${file##*/}
    printf '    {"%s",\n' "${base%.*}"
    sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/     "/' -e 's/$/\\n"/' "$file"
    echo "    },"
done
echo "};"
echo "const unsigned ${name}_count = $#;"
