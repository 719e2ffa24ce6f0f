#!/usr/bin/env bash
# How many files an order passes through: on a running stack whose services count what they execute
# (gcov), the files of services/ and base/ of which a function runs between the moment that POST /orders
# arrives and the moment that the order is done. What does not run for each of several orders (timers,
# sweeps) is not the order's, nor are the probes that nginx sends to /readyz meanwhile.
#
# Usage: order-files.sh [-f]      (-f: with the functions)
# Needs gdb. Builds in build/cov, keeps its stack in build/cov/stack, ports + 15000.
set -euo pipefail
case ${1:-} in -h | --help) sed '1d; /^#/!Q; s/^# \{0,1\}//' "$0"; exit ;; esac
export LC_ALL=C.UTF-8
cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v gdb > /dev/null || { echo "order-files.sh: gdb is missing: apt-get install gdb" >&2; exit 1; }
ORDERS=4
build=$PWD/build/cov
export COVERAGE=yes PRODORDER_BUILD=$build PRODORDER_HOME=$build/stack PRODORDER_PORT_OFFSET=15000
gateway=http://127.0.0.1:$((4000 + PRODORDER_PORT_OFFSET))
result=$(mktemp -d)
trap './prodorder down > /dev/null 2>&1; rm -rf "$result"' EXIT

[ -f "$build/config.mk" ] || ./configure.sh --quiet --build-dir=build/cov --debug
# What gdb calls must be linked in.
make -s -j"$(nproc)" BUILD=build/cov LDFLAGS_EXTRA='-Wl,-u,__gcov_reset,-u,__gcov_dump' services > "$result/make" 2>&1 ||
    { cat "$result/make" >&2; exit 1; }
LDFLAGS_EXTRA='-Wl,-u,__gcov_reset,-u,__gcov_dump' ./prodorder up > "$result/up" 2>&1 || { cat "$result/up" >&2; exit 1; }

# services_do CALL: have both services call a function of gcov's.
services_do() {
    local pid
    for pid in $(./prodorder status | awk '$1 ~ /^(order|product)-service$/ { for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+$/) { print $i; break } }'); do
        gdb -p "$pid" -batch -nx -ex "call (void)$1()" > "$result/gdb" 2>&1 || { cat "$result/gdb" >&2; exit 1; }
    done
}

# order: place one and wait, without a request to the services, until it is done.
order() {
    local id
    id=$(curl -fsS -H 'Content-Type: application/json' -d '{"productId":1,"quantity":1}' "$gateway/orders" | jq .data.id)
    for _ in $(seq 100); do
        [ "$(./prodorder psql order -Atc "SELECT status FROM orders WHERE id = $id")" != 'done' ] || return 0
        sleep 0.1
    done
    echo "order-files.sh: order $id is not done after 10 s" >&2
    exit 1
}

order # the caches are warm
for number in $(seq "$ORDERS"); do
    find "$build/obj" -name '*.gcda' -delete
    services_do __gcov_reset
    order
    services_do __gcov_dump
    find "$build/obj" -name '*.gcda' -print0 | sort -z |
        xargs -0 gcov --json-format --stdout 2> /dev/null |
        jq -r '.files[] | .file as $file | .functions[] | select(.execution_count > 0) | "\($file) \(.name)"' |
        sed 's,^\./,,' | grep -E '^(services|base)/' | grep -v '^services/runtime/process/health' | sort -u > "$result/ran.$number"
done
for number in $(seq 2 "$ORDERS"); do
    comm -12 "$result/ran.1" "$result/ran.$number" > "$result/common"
    mv "$result/common" "$result/ran.1"
done
if [ "${1:-}" = -f ]; then
    awk '{ ran[$1] = ran[$1] " " $2 } END { for (file in ran) print file ":" ran[file] }' "$result/ran.1" | sort
else
    cut -d' ' -f1 "$result/ran.1" | uniq
fi
cut -d' ' -f1 "$result/ran.1" | uniq | awk '/^services/ { services++ } /^base/ { base++ }
    END { printf "%d files of services/, %d of base/\n", services, base }'
