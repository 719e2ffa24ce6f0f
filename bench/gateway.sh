#!/usr/bin/env bash
# The cost of the gateway: the same nginx, the same services, the same load, once with the module
# (ids, trace, validation, envelope, its log) and once as a plain proxy_pass with nginx's own log.
#
# Usage: bench/gateway.sh PATH [LUA]       run by bench/run.pl on its stack; one line of JSON
# Environment: BENCH_PAIRS (7), BENCH_PAIR_SECONDS (6) for each half of a pair, BENCH_CONNECTIONS (64),
#              PRODORDER_HOME of a running stack
#
# The halves of a pair run one after the other, in turn with the other half first; what is reported
# is the median of the pairs' ratios, so that a machine that is slow for a minute does not decide.
set -euo pipefail
case ${1:-} in -h | --help) sed '1d; /^#/!Q; s/^# \{0,1\}//' "$0"; exit ;; esac
export LC_ALL=C.UTF-8
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TARGET=$1
SCRIPT=${2:-bench/report.lua}
PAIRS=${BENCH_PAIRS:-7}
SECONDS_EACH=${BENCH_PAIR_SECONDS:-6}
CONNECTIONS=${BENCH_CONNECTIONS:-64}
SETTLE_LIMIT_S=120
FULL_PORT=$((4000 + ${PRODORDER_PORT_OFFSET:-0} + 50))
PLAIN_PORT=$((FULL_PORT + 1))
STACK_GATEWAY=$PRODORDER_HOME/gateway
DIR=$PRODORDER_HOME/bench-gateway

die() {
    echo "bench gateway: $*" >&2
    exit 1
}

# The stack's own configuration at another port, and a second server without the module.
render() {
    local listen=$((4000 + ${PRODORDER_PORT_OFFSET:-0}))
    sed -e "s|$STACK_GATEWAY/|$DIR/|g; s|127\\.0\\.0\\.1:$listen\\b|127.0.0.1:$FULL_PORT|g" \
        -e '/^[[:space:]]*include conf/d' "$STACK_GATEWAY/nginx.conf" | head -n -2 # the last brace, and who made it
    cat <<CONF
    server {
        listen 127.0.0.1:$PLAIN_PORT backlog=4096;
        prodorder_gateway off;
        access_log logs/plain.log combined buffer=64k flush=1s;
        proxy_set_header Connection "";
        location /products { proxy_pass http://product_service; }
        location /orders { proxy_pass http://order_service; }
    }
}
CONF
}

start() {
    rm -rf "$DIR"
    cp -R "$STACK_GATEWAY" "$DIR"
    rm -f "$DIR"/*.pid
    render > "$DIR/nginx.conf"
    mkdir -p "$DIR/logs" "$DIR/temp"
    [ "$(id -u)" != 0 ] || chown www-data "$DIR/temp"
    nginx -p "$DIR/" -e stderr -c "$DIR/nginx.conf" > "$DIR/logs/full.log" 2> "$DIR/logs/error.log" &
    NGINX=$!
    trap stop EXIT
    for _ in $(seq 50); do
        curl -fsS "http://127.0.0.1:$PLAIN_PORT/products/1" > /dev/null 2>&1 && return
        sleep 0.1
    done
    cat "$DIR/logs/error.log" >&2
    die "nginx did not start"
}

stop() {
    kill -QUIT "$NGINX" 2> /dev/null || true
    wait "$NGINX" 2> /dev/null || true
    rm -rf "$DIR"
}

settle() { # until no order waits; not for ever, nor on a stack that is gone
    local waiting end=$((SECONDS + SETTLE_LIMIT_S))
    while :; do
        waiting=$(./prodorder psql order -Atqc "SELECT count(*) FROM orders WHERE status = 'waiting'") ||
            die "the stack is gone"
        [ "$waiting" != 0 ] || break
        [ "$SECONDS" -lt "$end" ] || die "$waiting orders still wait after $SETTLE_LIMIT_S s"
        sleep 0.2
    done
    sleep 0.5
}

half() { # PORT: requests, requests/s, errors of one run, and nginx's processor time in µs a request
    local cpu load
    cpu=$(bench/cpu.sh <<< "nginx $NGINX" | awk '{ print $2 }')
    load=$(wrk -t1 -c"$CONNECTIONS" -d"${SECONDS_EACH}s" -s "$SCRIPT" "http://127.0.0.1:$1$TARGET" | grep '^{')
    cpu=$(awk "BEGIN { print $(bench/cpu.sh <<< "nginx $NGINX" | awk '{ print $2 }') - $cpu }")
    jq -c --argjson cpu "$cpu" '. + {cpu_us: ($cpu * 1e6 / .requests)}' <<< "$load"
    settle
}

pair() { # NUMBER: {"full":…,"plain":…}
    local full plain
    if (($1 % 2)); then
        full=$(half "$FULL_PORT")
        plain=$(half "$PLAIN_PORT")
    else
        plain=$(half "$PLAIN_PORT")
        full=$(half "$FULL_PORT")
    fi
    jq -nc --argjson full "$full" --argjson plain "$plain" '{$full, $plain}'
}

start
half "$FULL_PORT" > /dev/null # warm
for ((n = 1; n <= PAIRS; n++)); do
    pair "$n"
done | jq -sc '
    def median: sort | if length % 2 == 1 then .[length / 2 | floor]
                       else (.[length / 2 - 1] + .[length / 2]) / 2 end;
    def r2: . * 100 | round / 100;
    def r3: . * 1000 | round / 1000;
    def all(f): map(f) | median;
    map(.full.requests_per_s / .plain.requests_per_s) as $ratios |
    {pairs: length, ratio: ($ratios | median | r3), ratio_min: ($ratios | min | r3),
     ratio_max: ($ratios | max | r3), requests_per_s: all(.full.requests_per_s) | r2,
     plain_requests_per_s: all(.plain.requests_per_s) | r2,
     p50_ms: all(.full.p50_ms), p99_ms: all(.full.p99_ms), plain_p99_ms: all(.plain.p99_ms),
     nginx_us: all(.full.cpu_us) | r2, plain_nginx_us: all(.plain.cpu_us) | r2,
     errors: (map(.full.errors + .plain.errors) | add)}'
