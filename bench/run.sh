#!/usr/bin/env bash
# Usage: ./prodorder bench [NAME...]
#        ./prodorder bench k6-profile NAME...
#
# Measure the whole system on a stack of its own, and keep the figures.
#
# Benchmarks: latency, orders, order-port, product, order-list, gateway, validator (default: all of them).
# gateway: bench/gateway.sh, with and without the module in turn; BENCH_PAIRS (7), BENCH_PAIR_SECONDS (6).
# validator: bench/validator.sh, beside ajv; needs no stack and prints a table of its own.
# k6-profile NAME...: script, steady, mixed, spike, soak of k6/, with their thresholds; exit 1 when one is broken.
#   With k6 when it is in PATH, else with tools/k6_profile. BENCH_SECONDS compresses a profile to so many seconds
#   (not spike, which has no rate), which only the latter can; RATE, STOCK, … are in k6/README.md.
# Environment: BENCH_SECONDS (30), BENCH_CONNECTIONS (64), BENCH_PORT_OFFSET (11000),
#              BENCH_HOME (var/bench), BENCH_KEEP=1 leaves the stack running.
#
# Everything runs on this machine, the load generator (wrk, one thread) included. A line of JSON per
# benchmark goes to bench/results/<date>-<commit>.jsonl, a table to the terminal.
set -euo pipefail
export LC_ALL=C.UTF-8
cd "$(dirname "${BASH_SOURCE[0]}")/.."

SECONDS_EACH=${BENCH_SECONDS:-30}
CONNECTIONS=${BENCH_CONNECTIONS:-64}
OFFSET=${BENCH_PORT_OFFSET:-11000}
export PRODORDER_HOME=${BENCH_HOME:-$PWD/var/bench} PRODORDER_PORT_OFFSET=$OFFSET
export PRODORDER_LISTEN=127.0.0.1
GATEWAY=http://127.0.0.1:$((4000 + OFFSET))
ORDER_SERVICE=http://127.0.0.1:$((3002 + OFFSET))
ALL=(latency orders order-port product order-list gateway validator)
K6_PROFILES=(k6/*.js)
K6_PROFILES=("${K6_PROFILES[@]#k6/}")
K6_PROFILES=("${K6_PROFILES[@]%.js}")
RESULTS=bench/results/$(date -u +%Y-%m-%dT%H%M%SZ)-$(git rev-parse --short HEAD 2> /dev/null || echo none).jsonl

usage() {
    sed '1d; /^#/!Q; s/^# \{0,1\}//' "${BASH_SOURCE[0]}"
}

die() {
    echo "bench: $*" >&2
    exit 1
}

stack_down() {
    rm -f "$UP_LOG"
    [ -n "${BENCH_KEEP:-}" ] || ./prodorder clean > /dev/null 2>&1 || true
}

stack_up() { # PROGRAM that makes the load
    command -v "$1" > /dev/null || die "$1 is not installed: ./configure.sh --install-deps"
    mkdir -p bench/results
    UP_LOG=$(mktemp)
    trap stack_down EXIT
    trap 'exit 130' INT TERM
    ./prodorder clean > /dev/null 2>&1 || true
    echo "== starting a stack in $PRODORDER_HOME" >&2
    ./prodorder up > "$UP_LOG" 2>&1 || {
        cat "$UP_LOG" >&2
        die "the stack did not start"
    }
}

count() { # SQL on the order database
    ./prodorder psql order -Atqc "$1"
}

now() {
    date +%s.%N
}

# cpu_now: "name seconds" of user and system time for each process tree of the stack.
cpu_now() {
    ./prodorder status | awk 'NR > 1 { print $1, $2 }' | bench/cpu.sh
}

# cpu_between BEFORE AFTER WALL: {"rabbitmq":0.61,…}: cores used by each process tree.
cpu_between() {
    join <(sort <<< "$1") <(sort <<< "$2") |
        awk -v wall="$3" '{ printf("%s\"%s\":%.2f", (NR > 1 ? "," : ""), $1, ($3 - $2) / wall) }' |
        sed 's/^/{/; s/$/}/'
}

# wrk_json URL [SCRIPT]: runs wrk; prints its figures as JSON (bench/report.lua does that).
wrk_json() {
    local url=$1 script=${2:-bench/report.lua}
    wrk -t1 -c"$CONNECTIONS" -d"${SECONDS_EACH}s" -s "$script" "$url" | grep '^{'
}

record() { # NAME JSON
    printf '{"bench":"%s","at":"%s","connections":%d,%s\n' "$1" "$(date -u +%FT%TZ)" "$CONNECTIONS" \
        "${2#\{}" >> "$RESULTS"
}

# Orders through URL until none waits: accepted and fulfilled per second, and who used the processors.
bench_post() { # NAME URL
    local before cpu_before started ended load accepted cpu wall
    before=$(count 'SELECT count(*) FROM orders')
    cpu_before=$(cpu_now)
    started=$(now)
    load=$(wrk_json "$2" bench/orders.lua)
    while [ "$(count "SELECT count(*) FROM orders WHERE status = 'waiting'")" != 0 ]; do
        sleep 0.2
    done
    ended=$(now)
    wall=$(awk "BEGIN { print $ended - $started }")
    accepted=$(($(count 'SELECT count(*) FROM orders') - before))
    cpu=$(cpu_between "$cpu_before" "$(cpu_now)" "$wall")
    record "$1" "$(jq -c --argjson n "$accepted" --argjson wall "$wall" --argjson cpu "$cpu" \
        '. + {fulfilled: $n, fulfilled_per_s: ($n / $wall * 10 | round / 10), cores: $cpu}' <<< "$load")"
}

bench_orders() { bench_post orders "$GATEWAY"; }
bench_order_port() { bench_post order-port "$ORDER_SERVICE"; }

bench_get() { # NAME URL
    local cpu_before started wall load
    cpu_before=$(cpu_now)
    started=$(now)
    load=$(wrk_json "$2")
    wall=$(awk "BEGIN { print $(now) - $started }")
    record "$1" "$(jq -c --argjson cpu "$(cpu_between "$cpu_before" "$(cpu_now)" "$wall")" \
        '. + {cores: $cpu}' <<< "$load")"
}

bench_product() { bench_get product "$GATEWAY/products/1"; }

# A product that has many orders: the first page of its list.
bench_order_list() {
    [ "$(count 'SELECT count(*) FROM orders WHERE product_id = 1')" -ge 50000 ] || count "
        INSERT INTO orders (id, product_id, quantity, unit_price_cents, total_price_cents, status,
            created_at, updated_at, request_id, traceparent)
        SELECT nextval('order_ids'), 1, 1, 100, 100, 'done', now() - i * interval '1 ms',
            now(), 'bench', '' FROM generate_series(1, 50000) AS i" > /dev/null
    bench_get order-list "$GATEWAY/orders/product/1"
}

# One order at a time on an idle stack: the answer, and until it is done.
bench_latency() {
    record latency "$(bench/latency.pl "$GATEWAY" 200)"
}

# What the module costs nginx: requests per second with it by those without it.
bench_gateway() {
    record gateway-get "$(bench/gateway.sh /products/1)"
    record gateway-post "$(bench/gateway.sh /orders bench/orders.lua)"
}

bench_validator() {
    bench/validator.sh
}

# with_k6: is there a k6 that can do what is asked for?
with_k6() {
    [ -z "${BENCH_SECONDS:-}" ] && command -v k6 > /dev/null
}

# k6_check NAME: what is wrong with a variable is said before a stack is started.
k6_check() {
    if with_k6; then
        K6_INCLUDE_SYSTEM_ENV_VARS=true k6 inspect "k6/$1.js" > /dev/null
    else
        k6_profile --plan "$1" > /dev/null
    fi
}

k6_profile() { # ARGS of tools/k6_profile/main.mjs
    BASE_URL=$ORDER_SERVICE GATEWAY_URL=$GATEWAY tools/k6_profile/main.mjs \
        ${BENCH_SECONDS:+--seconds "$BENCH_SECONDS"} "$@"
}

# k6_run NAME RESULT: runs it, and keeps its figures in RESULT, as JSON. Fails when a threshold is broken.
k6_run() {
    local status=0
    if ! with_k6; then
        k6_profile --json "$2" "$1"
        return
    fi
    BASE_URL=$ORDER_SERVICE GATEWAY_URL=$GATEWAY k6 run --summary-export "$2.k6" "k6/$1.js" || status=1
    [ ! -s "$2.k6" ] || jq -c --arg name "$1" --argjson ok "$((!status))" '.metrics |
        {profile: $name, generator: "k6", ok: ($ok == 1), connections: (.vus_max.max // 0), requests: .http_reqs.count,
         requests_per_s: (.http_reqs.rate * 10 | round / 10), p50_ms: .http_req_duration.med,
         p95_ms: .http_req_duration["p(95)"], max_ms: .http_req_duration.max, errors: (.errors.count // 0),
         dropped: (.dropped_iterations.count // 0)}' "$2.k6" > "$2"
    rm -f "$2.k6"
    return "$status"
}

# One profile, with its table; K6_STATUS becomes that of its thresholds when they are broken. Not the status of
# the function: whoever asks for that switches set -e off in it.
bench_k6_profile() { # NAME
    local cpu_before started result CONNECTIONS
    result=$(mktemp)
    cpu_before=$(cpu_now)
    started=$(now)
    k6_run "$1" "$result" || K6_STATUS=$?
    if [ -s "$result" ]; then
        CONNECTIONS=$(jq .connections "$result")
        record "k6-$1" "$(jq -c --argjson cpu "$(cpu_between "$cpu_before" "$(cpu_now)" \
            "$(awk "BEGIN { print $(now) - $started }")")" 'del(.connections) + {cores: $cpu}' "$result")"
    fi
    rm -f "$result"
}

k6_profiles() {
    local name
    K6_STATUS=0
    [ $# -gt 0 ] || die "k6-profile: which one? ${K6_PROFILES[*]}"
    with_k6 || command -v node > /dev/null || die "k6-profile needs Node.js, or k6 in PATH: apt-get install nodejs"
    for name; do
        [[ " ${K6_PROFILES[*]} " == *" $name "* ]] ||
            die "k6-profile: there is no '$name'; there are: ${K6_PROFILES[*]}"
        k6_check "$name" || return
    done
    if with_k6; then stack_up k6; else stack_up wrk; fi
    for name; do
        bench_k6_profile "$name"
    done
    say_where
    return "$K6_STATUS"
}

say_where() {
    [ ! -s "$RESULTS" ] || echo "kept in $RESULTS" >&2
}

table() {
    jq -rs '
        def n: if . == null then "-" else tostring end;
        ["bench", "requests/s", "fulfilled/s", "p50 ms", "p99 ms", "errors", "cores used; ratio"],
        (.[] | [.bench, (.requests_per_s | n), (.fulfilled_per_s | n), (.p50_ms | n), (.p99_ms | n),
                (.errors | n), ((.cores // {}) | to_entries | sort_by(-.value)
                | map(select(.value >= 0.02) | "\(.key) \(.value)") | join(", "))
                + (if .ratio == null then "" else
                   "ratio \(.ratio) (\(.ratio_min) to \(.ratio_max)), nginx \(.nginx_us) µs, plain \(.plain_nginx_us) µs"
                   end)]) | @tsv' "$RESULTS" |
        awk -F'\t' '{ printf "%-12s %11s %12s %9s %9s %7s  %s\n", $1, $2, $3, $4, $5, $6, $7 }'
}

main() {
    local name names=("$@")
    case ${1:-} in -h | --help) usage; return ;; esac
    [ $# -gt 0 ] || names=("${ALL[@]}")
    if [ "${names[0]}" != k6-profile ]; then
        for name in "${names[@]}"; do
            [ "$name" != k6-profile ] || die "k6-profile is not measured with others: bench k6-profile NAME..."
            [[ " ${ALL[*]} " == *" $name "* ]] ||
                die "there is no benchmark '$name'; there are: ${ALL[*]}, and k6-profile NAME"
        done
    fi
    if [ "${names[*]}" = validator ]; then
        bench/validator.sh
        return
    fi
    if [ "${names[0]}" = k6-profile ]; then
        k6_profiles "${names[@]:1}"
        return
    fi
    stack_up wrk
    for name in "${names[@]}"; do
        echo "== $name" >&2
        "bench_${name//-/_}"
    done
    table
    say_where
}

main "$@"
