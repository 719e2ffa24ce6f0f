# The images at work: a stack of ./prodorder without its services and gateway, containers in their place.

CHECKS_OFFSET_FIRST=12100
CHECKS_BACKENDS=(product-db order-db product-redis order-redis rabbitmq)
checks_passed=0 checks_failed=0

# check WHAT COMMAND...: does it succeed?
check() {
    local what=$1 said
    shift
    if said=$("$@" 2>&1); then
        checks_passed=$((checks_passed + 1))
        ui_step ok "$what"
    else
        checks_failed=$((checks_failed + 1))
        ui_bad "not ok" "$what"
        [ -z "$said" ] || printf '%s\n' "$said" | tail -n 5 | cut -c 1-300 | sed 's/^/    /'
    fi
}

# within SECONDS COMMAND...: it succeeds, sooner or later.
within() {
    local limit_s=$1 begin_ms
    shift
    ui_now_ms
    begin_ms=$RET_MS
    until "$@" > "$WORK/within" 2>&1; do
        ui_now_ms
        [ $((RET_MS - begin_ms)) -lt $((limit_s * 1000)) ] || { tail -n 1 "$WORK/within"; return 1; }
        sleep 0.1
    done
}

not() {
    ! "$@"
}

checks_run() {
    local name
    checks_stack
    for name in "${BUILD_IMAGES[@]}"; do container_make "$name"; done
    checks_refused
    checks_services
    checks_gateway
    checks_order
    for name in "${BUILD_IMAGES[@]}"; do checks_frozen "$name"; done
    checks_stop api-gateway
    checks_stop order-service
    checks_stop product-service
    ui_say "$checks_passed passed, $checks_failed failed"
    [ "$checks_failed" -eq 0 ]
}

checks_stack() {
    export PRODORDER_HOME=$WORK/stack
    unset PRODORDER_LISTEN PRODORDER_TLS_CERT PRODORDER_TLS_KEY
    checks_ports
    ui_say "== a stack without services: ports +$PRODORDER_PORT_OFFSET =="
    build_step stack ./prodorder up "${CHECKS_BACKENDS[@]}"
    port_product=$((3001 + PRODORDER_PORT_OFFSET))
    port_order=$((3002 + PRODORDER_PORT_OFFSET))
    port_gateway=$((4000 + PRODORDER_PORT_OFFSET))
}

checks_ports() {
    [ -z "${PRODORDER_PORT_OFFSET:-}" ] || return 0
    . scripts/lib/settings.sh
    . scripts/lib/process.sh
    . scripts/lib/ports.sh
    STACK_OFFSET=0
    ports_free_offset "$CHECKS_OFFSET_FIRST" ||
        die "images: no free ports" "Choose them: PRODORDER_PORT_OFFSET=2000 t/images/run.sh"
    export PRODORDER_PORT_OFFSET=$RET_OFFSET
}

# What is wrong in the environment is one line, and exit 2.
checks_refused() {
    check "product-service without settings: exit 2, and the variable's name" \
        checks_refuses product-service DB_HOST /usr/local/bin/product-service
    check "api-gateway with an address that is none: exit 2, and the variable's name" \
        checks_refuses api-gateway PRODUCT_SERVICE_ADDRESS env PRODUCT_SERVICE_ADDRESS=nowhere \
        /opt/prodorder/docker/api-gateway/entrypoint
}

checks_refuses() {
    local said status=0
    said=$(container_run "$1" "${@:3}") || status=$?
    echo "exit $status: $said"
    [ "$status" = 2 ] && [[ $said == *$2* ]]
}

checks_services() {
    local name env
    printf '127.0.0.1 localhost product-service\n' > "$WORK/order-service.hosts"
    for name in product-service order-service; do
        mapfile -t env < <(./prodorder env "$name" |
            sed "s#^PRODUCT_SERVICE_URL=.*#PRODUCT_SERVICE_URL=http://product-service:$port_product#")
        container_start "$name" "${env[@]}"
        check "$name: its health check succeeds" within 30 container_health "$name"
        checks_confined "$name"
        check "$name: its version is that of the build" checks_version "$name"
    done
    check "a catalogue of which three products are there is completed" checks_catalogue_begun
    check "and left alone when it is not" checks_catalogue "not empty: nothing to do"
}

checks_version() {
    local said
    said=$(container_exec "$1" "/usr/local/bin/$1" --version)
    echo "$said"
    [ "$said" = "$1 $(build_version)" ] &&
        [ "$(container_of "$1" '.Labels["org.opencontainers.image.version"]')" = "$(build_version)" ]
}

checks_catalogue_begun() {
    local product
    while IFS= read -r product; do
        curl -sS -m 10 --fail-with-body -H 'Content-Type: application/json' -d "$product" \
            "http://127.0.0.1:$port_product/products" || return 1
    done < <(jq -c '.[:3][]' mock/products.json)
    checks_catalogue "21 products loaded"
}

# checks_catalogue TEXT: the loader, as docker-compose.yml starts it.
checks_catalogue() {
    local said
    said=$(container_run product-service env "PRODUCT_SERVICE_URL=http://localhost:$port_product" \
        /opt/prodorder/docker/services/load-catalogue /opt/prodorder/products.jsonl) || said+=" (it failed)"
    echo "$said"
    [[ $said == *"$1" ]]
}

# checks_confined NAME: what docker-compose.yml takes from it, it does not need.
checks_confined() {
    local status=/proc/${CONTAINER_PID[$1]}/status
    check "$1: it is not root, and has no capabilities" \
        checks_has "$status" '^Uid:\t10001\t10001\t' '^CapEff:\t0+$' '^CapBnd:\t0+$'
    check "$1: it is process 1" checks_has "$status" '^NSpid:.*\t1$'
    check "$1: its root is read-only" checks_cannot_write "$1"
}

# checks_has FILE PATTERN...: FILE has a line for each.
checks_has() {
    local pattern
    for pattern in "${@:2}"; do
        grep -P "$pattern" "$1" || { echo "no line of $1 is $pattern"; return 1; }
    done
}

checks_cannot_write() {
    local said
    ! said=$(container_exec "$1" touch /tmp/x) && echo "$said" && [[ $said == *'Read-only file system'* ]]
}

# The name of a service is not known yet, as when the gateway is started first: it is there all the same, and
# takes the name's address when there is one.
checks_gateway() {
    local hosts=$WORK/api-gateway.hosts
    printf '127.0.0.1 localhost order-service\n' > "$hosts"
    container_start api-gateway "PORT=$port_gateway" "PRODUCT_SERVICE_ADDRESS=product-service:$port_product" \
        "ORDER_SERVICE_ADDRESS=order-service:$port_order" RESOLVE_INTERVAL_S=1
    check "api-gateway: it answers although a service's name is not known" within 10 container_health_path /livez
    check "api-gateway: that service is 502" within 3 checks_answer 502 "/products/1"
    check "api-gateway: its health check fails" not container_health api-gateway
    printf '127.0.0.1 localhost order-service product-service\n' > "$hosts"
    check "api-gateway: once it is known, products are answered" within 10 checks_answer 200 "/products/1"
    check "api-gateway: its health check succeeds" within 10 container_health api-gateway
    checks_confined api-gateway
    check "api-gateway: /openapi.json, /asyncapi.json and /docs/" checks_pages
    grep -v 'no live upstreams' "$WORK/api-gateway.out" > "$WORK/said" || true
    check "api-gateway: nginx warns of nothing else" not grep -E '\[(warn|error|alert|emerg|crit)\]' "$WORK/said"
}

container_health_path() {
    container_exec api-gateway /opt/prodorder/docker/health "$1"
}

# checks_answer STATUS PATH [CURL OPTIONS...]: the gateway's answer, as JSON.
checks_answer() {
    local said
    said=$(curl -sS -m 12 -w '\n%{http_code}' "${@:3}" "http://127.0.0.1:$port_gateway$2") || return 1
    printf '%s\n' "${said%$'\n'*}"
    [ "${said##*$'\n'}" = "$1" ] || { echo "$2 answers ${said##*$'\n'}"; return 1; }
}

checks_pages() {
    checks_answer 200 /openapi.json > "$WORK/openapi.json" && jq -e .openapi "$WORK/openapi.json" &&
        checks_answer 200 /asyncapi.json > "$WORK/asyncapi.json" && jq -e .asyncapi "$WORK/asyncapi.json" &&
        checks_answer 200 /docs/ | grep -i '<title>'
}

checks_order() {
    local order
    order=$(checks_answer 201 /orders -H 'Content-Type: application/json' -d '{"productId":1,"quantity":2}' |
        jq -r .data.id) || order=none
    check "an order through the three containers becomes done" within 20 checks_order_is_done "$order"
}

checks_order_is_done() {
    checks_answer 200 "/orders/$1" > "$WORK/order" && cat "$WORK/order" &&
        [ "$(jq -r .data.status "$WORK/order")" = done ]
}

# Frozen, it takes connections and answers nothing.
checks_frozen() {
    local pids
    pids="${CONTAINER_PID[$1]} $(container_descendants "${CONTAINER_PID[$1]}")"
    # shellcheck disable=SC2086 # a list
    kill -STOP $pids
    check "$1: its health check fails while it is frozen" not container_health "$1"
    # shellcheck disable=SC2086
    kill -CONT $pids
    check "$1: and succeeds again" within 20 container_health "$1"
}

checks_stop() {
    container_stop "$1"
    check "$1: $(container_of "$1" .StopSignal) ends it with code 0 ($RET_STATUS) within 10 s ($RET_MS ms)" \
        test "$RET_STATUS" = 0 -a "$RET_MS" -lt "$CONTAINER_STOP_LIMIT_MS"
}

checks_end() {
    [ ! -d "$WORK/stack" ] || PRODORDER_HOME=$WORK/stack ./prodorder clean > /dev/null || true
}
