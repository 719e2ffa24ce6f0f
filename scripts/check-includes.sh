#!/usr/bin/env bash
# The include rule: includes go one way, and each library is seen by one file.
#
# Usage: check-includes.sh [DIR]      (DIR: top of the sources, default this repository)
#
#   product|order -> contract -> common   never sideways, never up
#   the gateway includes nothing of services/, and its openapi/ nothing of nginx
#   libpq only in services/common/pg*, hiredis only in cache*, rabbitmq-c only in broker*
set -euo pipefail
case ${1:-} in -h | --help) sed '1d; /^#/!Q; s/^# \{0,1\}//' "$0"; exit ;; esac
export LC_ALL=C.UTF-8
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}"
violations=0

violation() {
    echo "$1: $2" >&2
    violations=$((violations + 1))
}

# area_of PATH: which room of the house a file is in.
area_of() {
    case $1 in
    services/common/*) echo common ;;
    services/contract/*) echo contract ;;
    services/product/*) echo product ;;
    services/order/*) echo order ;;
    ngx_prodorder_gateway/openapi/*) echo openapi ;;
    ngx_prodorder_gateway/*) echo gateway ;;
    *) echo elsewhere ;;
    esac
}

# allowed_areas AREA: what it may include of ours.
allowed_areas() {
    case $1 in
    common) echo common ;;
    contract) echo contract common ;;
    product) echo product contract common ;;
    order) echo order contract common ;;
    openapi) echo openapi ;;
    gateway) echo gateway openapi ;;
    esac
}

# find_header FILE NAME: the path of an #include "NAME" in FILE, as the compiler finds it.
find_header() {
    local dir
    for dir in "$(dirname "$1")" services ngx_prodorder_gateway ngx_prodorder_gateway/src \
        ngx_prodorder_gateway/openapi .; do
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
    from=$(area_of "$file") to=$(area_of "$path")
    [[ " $(allowed_areas "$from") " == *" $to "* ]] ||
        violation "$file:$line" "$from must not include $path ($to); allowed: $(allowed_areas "$from")"
}

check_library() {
    local file=$1 line=$2 name=$3 library home
    case $name in
    libpq-fe.h | libpq-events.h | libpq/* | postgresql/* | pg_config*.h) library=libpq home=pg ;;
    hiredis.h | async.h | hiredis/*) library=hiredis home=cache ;;
    amqp.h | amqp_*.h | rabbitmq-c/*) library=rabbitmq-c home=broker ;;
    ngx_*.h | nginx.h)
        [ "$(area_of "$file")" = gateway ] ||
            violation "$file:$line" "<$name>: nginx's headers are only for ngx_prodorder_gateway/src"
        return
        ;;
    *) return 0 ;;
    esac
    [[ $file =~ ^services/common/$home([._][^/]*)?$ ]] ||
        violation "$file:$line" "<$name>: $library is only for services/common/$home.* and ${home}_*"
}

while IFS=: read -r file line text; do
    [[ $text =~ ^[[:space:]]*#[[:space:]]*include[[:space:]]*([\"\<])([^\"\>]+) ]] || continue
    name=${BASH_REMATCH[2]}
    check_library "$file" "$line" "$name"
    [ "${BASH_REMATCH[1]}" = '<' ] || check_ours "$file" "$line" "$name"
done < <(find services ngx_prodorder_gateway -name '*.[ch]' -print0 2> /dev/null |
    xargs -0 -r grep -HnE '^[[:space:]]*#[[:space:]]*include' | sort)

if [ "$violations" -gt 0 ]; then
    echo "check-includes: $violations violation(s) of the include rule; see services/README.md" >&2
    exit 1
fi
