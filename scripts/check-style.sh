#!/usr/bin/env bash
# What a reviewer should not need to look for: long files, long functions, calls that we do not use.
#
# Usage: check-style.sh [DIR]      (DIR: top of the sources, default this repository)
set -euo pipefail
case ${1:-} in -h | --help) sed '1d; /^#/!Q; s/^# \{0,1\}//' "$0"; exit ;; esac
export LC_ALL=C.UTF-8
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}"

FILE_LINES_MAX=700
FUNCTION_LINES_MAX=70
COLUMNS_MAX=100 # not for nginx code, which keeps nginx's own layout
violations=0

violation() {
    echo "$1" >&2
    violations=$((violations + 1))
}

# Violations that a pipeline prints, one a line.
violations_from() {
    local line
    while read -r line; do
        violation "$line"
    done
}

sources() {
    find base openapi services ngx_prodorder_gateway t fuzz bench -name '*.[ch]' 2> /dev/null | sort
}

texts() {
    sources
    find prodorder configure.sh Makefile scripts tools t -name node_modules -prune -o -type f -print 2> /dev/null |
        grep -vE '\.[ch]$|check-style|t/control/' | sort
}

mapfile -t files < <(sources)
[ ${#files[@]} -gt 0 ] || exit 0

# A function's body opens with a brace after its parameters, on the same line or the next, and closes
# with a brace in column 0.
violations_from < <(awk -v lines_max=$FILE_LINES_MAX -v function_max=$FUNCTION_LINES_MAX '
    FNR == 1 { open = 0 }
    FNR == lines_max + 1 { printf "%s: more than %d lines\n", FILENAME, lines_max }
    /[ \t]$/ { printf "%s:%d: white space at the end\n", FILENAME, FNR }
    !open && (/^\{/ || /^[^#].*\)[ \t]*\{$/) { open = FNR }
    /^\}/ && open {
        if (FNR - open - 1 > function_max)
            printf "%s:%d: a function of %d lines; at most %d\n", FILENAME, open, FNR - open - 1, function_max
        open = 0
    }' "${files[@]}")

violations_from < <(grep -HnE '(^|[^A-Za-z0-9_>.])(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|atoll|strtok)[[:space:]]*\(' \
    "${files[@]}" | grep -vE ':[[:space:]]*(/?\*|//)' | sed 's/$/   <- not used here: no bound or no error/')

mapfile -t files < <(sources | grep -v '^ngx_prodorder_gateway/src/')
[ ${#files[@]} -eq 0 ] || violations_from < <(grep -HnE "^.{$((COLUMNS_MAX + 1)),}" "${files[@]}" |
    sed -E "s/^([^:]*:[0-9]+):.*/\1: more than $COLUMNS_MAX columns/")

mapfile -t files < <(texts)
violations_from < <(grep -HnE '\b(TODO|FIXME|XXX|HACK)\b' "${files[@]}" | sed 's/$/   <- finish it or open an issue/')

if [ "$violations" -gt 0 ]; then
    echo "check-style: $violations violation(s)" >&2
    exit 1
fi
