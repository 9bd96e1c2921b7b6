#!/bin/sh
# embed.sh NAME FILE...: the files as C text on standard output: an array NAME of {file name
# without folders and ending, contents}, in the order given.  A line "-- include PART" in a file stands for
# the file part/PART beside it.
set -eu
name=$1
shift

whole() {
    awk -v parts="$(dirname "$1")/part/" '
        $1 == "--" && $2 == "include" && NF == 3 {
            part = parts $3
            while ((got = (getline line < part)) > 0)
                print line
            if (got < 0) {
                print FILENAME ": there is no " part >"/dev/stderr"
                exit 1
            }
            close(part)
            next
        }
        { print }' "$1"
}

echo "/* Made by tools/embed.sh; do not edit. */"
echo "const struct embedded ${name}[] = {"
for file in "$@"; do
    base=${file##*/}
    printf '    {"%s",\n' "${base%.*}"
    text=$(whole "$file")
    printf '%s\n' "$text" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/     "/' -e 's/$/\\n"/'
    echo "    },"
done
echo "};"
echo "const unsigned ${name}_count = $#;"
