#!/bin/sh
# Print, as a make variable, the sources that a unit test asks to be linked with.
#
# Usage: link-marker.sh t/unit/FOLDER/test_x.c
# The marker is a comment that begins in the file's first ten lines, on as many lines as it needs:
#     /* link: services/order/create_order.c
#      *       t/unit/fake_pg.c */
set -eu
case ${1:-} in -h | --help) sed '1d; /^#/!Q; s/^# \{0,1\}//' "$0"; exit ;; esac
name=${1#t/unit/} name=${name%.c}
sources=$(awk '
    !inside && NR > 10 { exit }
    !inside && /^\/\* link:/ { inside = 1; sub(/^\/\* link:/, "") }
    inside {
        last = /\*\//
        gsub(/\*\//, ""); gsub(/^ *\*/, "")
        printf "%s ", $0
        if (last) exit
    }' "$1")
for source in $sources; do
    [ -f "$source" ] || { echo "$1: its link marker names $source, which does not exist" >&2; exit 1; }
done
sources=$(printf "%s " $sources)  # on one line
[ -z "${sources% }" ] || echo "LINK_$name := $sources"
