#!/bin/sh
# Write compile_commands.json (to standard output) for the given sources.
#
# Usage: compile-commands.sh COMPILE_COMMAND BUILD_DIR SOURCE...
# Called by make, which knows the command; jq does the quoting.
set -eu
case ${1:-} in -h | --help) sed '1d; /^#/!Q; s/^# \{0,1\}//' "$0"; exit ;; esac
compile=$1 build=$2
shift 2
for source; do
    jq -n --arg dir "$PWD" --arg file "$source" \
        --arg command "$compile -DPRODORDER_VERSION='\"\"' -c -o $build/obj/${source%.c}.o $source" \
        '{directory: $dir, file: $file, command: $command}'
done | jq -s .
