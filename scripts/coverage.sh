#!/usr/bin/env bash
# Line coverage of our sources, by file and in total, from a build with COVERAGE=yes that has run.
#
# Usage: coverage.sh BUILD_DIR
set -euo pipefail
case ${1:-} in -h | --help) sed '1d; /^#/!Q; s/^# \{0,1\}//' "$0"; exit ;; esac
export LC_ALL=C.UTF-8
build=$1
find "$build/obj/base" "$build/obj/openapi" "$build/obj/services" -name '*.gcda' -print0 2> /dev/null |
    xargs -0 -r gcov -n -r 2> /dev/null |
    awk '
        /^File / { gsub(/^File .|.$/, ""); file = $0 }
        /^Lines executed:/ && file ~ /^(base|openapi|services)\/.*\.c$/ {
            split($0, part, /[:% ]+/)
            covered = part[3] / 100 * part[5]
            printf "%6.1f %% of %5d  %s\n", part[3], part[5], file
            lines += part[5]; executed += covered; file = ""
        }
        END {
            if (!lines) { print "coverage: no unit test has run in this build" > "/dev/stderr"; exit 1 }
            printf "%6.1f %% of %5d  total\n", 100 * executed / lines, lines
        }' | sort -k5
