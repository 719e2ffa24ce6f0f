#!/usr/bin/env bash
# The include rule: a file stands on a floor and includes only what is below it or in its own
# room, no two files include each other round a circle, and each library is seen by one room.
#
# Usage: check-includes.sh [DIR]      (DIR: top of the sources, default this repository)
#
# The floors, lowest first; rooms of one floor do not see each other (docs/adr/0017-floors.md):
set -euo pipefail
FLOORS='
base
services/runtime/json        openapi
services/runtime/telemetry   openapi/pattern
services/runtime/loop        openapi/format
services/runtime/http        services/runtime/pg     services/runtime/cache  services/runtime/broker  openapi/schema
services/runtime/flow        openapi/document
services/runtime/messages    openapi/request
services/runtime/process
services/contract            ngx_prodorder_gateway/src    openapi/tools
services/order               services/product        services/admin
'
# A library's headers, and the rooms that see them, by |: services/admin is a program of its own, and blocks.
LIBRARIES='
libpq          services/runtime/pg|services/admin  ^(libpq-fe|libpq-events|pg_config[^/]*)\.h$|^(libpq|postgresql)/
hiredis        services/runtime/cache|services/admin     ^(hiredis|async)\.h$|^hiredis/
rabbitmq-c     services/runtime/broker|services/admin  ^amqp(_[^/]*)?\.h$|^rabbitmq-c/
nginx          ngx_prodorder_gateway/src  ^(ngx_[^/]*|nginx)\.h$
'
case ${1:-} in
-h | --help)
    sed '1d; /^#/!Q; s/^# \{0,1\}//' "$0"
    echo "$FLOORS"
    exit
    ;;
esac
export LC_ALL=C.UTF-8
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}"
violations=0
declare -A FLOOR
number=0
while read -r -a rooms; do
    for room in "${rooms[@]}"; do FLOOR[$room]=$number; done
    number=$((number + 1))
done <<< "$FLOORS"

violation() {
    echo "$1: $2" >&2
    violations=$((violations + 1))
}

# side_of ROOM: the two houses that share only their ground floor.
side_of() {
    case $1 in
    services/*) echo services ;;
    base) echo both ;;
    *) echo gateway ;;
    esac
}

# room_of PATH: the room that a file is in; a folder without a floor of its own belongs to the one above.
room_of() {
    local dir=${1%/*}
    while [ -z "${FLOOR[$dir]:-}" ] && [[ $dir == */* ]]; do dir=${dir%/*}; done
    [ -z "${FLOOR[$dir]:-}" ] || echo "$dir"
}

# find_header FILE NAME: the path of an #include "NAME" in FILE, as the compiler finds it.
find_header() {
    local dir
    for dir in "${1%/*}" . services; do
        if [ -f "$dir/$2" ]; then
            realpath --relative-to=. "$dir/$2"
            return
        fi
    done
}

check_ours() {
    local file=$1 line=$2 name=$3 path from to
    path=$(find_header "$file" "$name")
    [ -n "$path" ] || return 0
    from=$(room_of "$file") to=$(room_of "$path")
    if [ -z "$to" ]; then
        violation "$file:$line" "$path is in no room of the house"
    elif [ "$from" != "$to" ]; then
        if [ "$(side_of "$from")" != "$(side_of "$to")" ] && [ "$to" != base ]; then
            violation "$file:$line" "$from must not include $path: the gateway and the services share only base/"
        elif [ "${FLOOR[$to]}" -gt "${FLOOR[$from]}" ]; then
            violation "$file:$line" "$from must not include $path: it is a floor above"
        elif [ "${FLOOR[$to]}" -eq "${FLOOR[$from]}" ]; then
            violation "$file:$line" "$from must not include $path: it is beside, on the same floor"
        fi
    fi
    if [ "${file%.*}" != "${path%.*}" ] && [ -f "${file%.*}.c" ] && [ -f "${path%.*}.c" ]; then
        echo "${file%.*} ${path%.*}" >&3
    fi
}

check_library() {
    local file=$1 line=$2 name=$3 library home pattern
    while read -r library home pattern; do
        [ -n "$library" ] && [[ $name =~ $pattern ]] || continue
        [[ "|$home|" == *"|$(room_of "$file")|"* ]] || violation "$file:$line" "<$name>: $library is only for $home"
    done <<< "$LIBRARIES"
}

edges=$(mktemp)
trap 'rm -f "$edges"' EXIT
exec 3> "$edges"
while IFS=: read -r file line text; do
    if [ -z "$(room_of "$file")" ]; then
        violation "$file:$line" "${file%/*} is no room of the house: give it a floor in ${0##*/}"
        continue
    fi
    [[ $text =~ ^[[:space:]]*#[[:space:]]*include[[:space:]]*([\"\<])([^\"\>]+) ]] || continue
    kind=${BASH_REMATCH[1]} name=${BASH_REMATCH[2]}
    check_library "$file" "$line" "$name"
    [ "$kind" = '<' ] || check_ours "$file" "$line" "$name"
done < <(find base openapi services ngx_prodorder_gateway -name '*.[ch]' -print0 2> /dev/null |
    xargs -0 -r grep -HnE '^[[:space:]]*#[[:space:]]*include' | sort)
exec 3>&-

# A source and its header are one: x.c includes y.h and y.c includes x.h is a circle. A header without
# a source has nothing that could call back.
if ! circles=$(sort -u "$edges" | tsort 2>&1 > /dev/null); then
    violation circle "$(sed 's/^tsort: //; s/^-: //' <<< "$circles" | xargs)"
fi

if [ "$violations" -gt 0 ]; then
    echo "check-includes: $violations violation(s) of the include rule; see services/README.md" >&2
    exit 1
fi
