# Where the services are now, and the gateway's configuration that says so.
#
# nginx looks names up only when it reads its configuration, and does not start with one that has no address.
# So its configuration has addresses: those that the names have, and a server that is down for a name
# without one (502, as for a service that is not there). watch-names makes it anew when they change.
#
# ROOT is where the repository's files are, RUN_DIRECTORY nginx's prefix.

LOOKUP_LIMIT_S=5

# upstream_servers HOST:PORT: what stands behind "server" in nginx.conf, all addresses of the name; nothing
# when it has none.
upstream_servers() {
    local port=${1##*:} address servers='' count=0
    while read -r address; do
        [[ $address != *:* ]] || address=[$address]
        servers+="${servers:+ max_fails=0; server }$address:$port"
        count=$((count + 1))
    done < <(timeout "$LOOKUP_LIMIT_S" getent ahosts "${1%:*}" | sed -n 's/ *STREAM.*//p' | sort -u)
    # Of several none is left out for having failed: when each has, nginx would have nobody to ask.
    [ "$count" -le 1 ] || servers+=' max_fails=0'
    printf '%s' "$servers"
}

# upstreams_find [PRODUCT ORDER]: sets RET_PRODUCT and RET_ORDER; a name that has no address, as that of a
# stopped container has none, keeps the earlier one. Both are looked up at once; a signal that is trapped
# is heard in between, because bash itself reads.
upstreams_find() {
    local product order
    exec {product}< <(upstream_servers "$PRODUCT_SERVICE_ADDRESS") {order}< <(upstream_servers "$ORDER_SERVICE_ADDRESS")
    IFS= read -r -u "$product" RET_PRODUCT || true
    IFS= read -r -u "$order" RET_ORDER || true
    exec {product}<&- {order}<&-
    : "${RET_PRODUCT:=${1:-127.0.0.1:1 down}}" "${RET_ORDER:=${2:-127.0.0.1:1 down}}"
}

# upstreams_write PRODUCT ORDER: nginx.conf in RUN_DIRECTORY, replaced at once, when nginx accepts it; else
# nginx has said why.
upstreams_write() {
    local new=$RUN_DIRECTORY/nginx.conf.new
    gateway_render_conf "$ROOT/nginx.conf" "$LISTEN_ADDRESS:$PORT" "$1" "$2" |
        sed "s/^worker_processes auto;/worker_processes $WORKERS;/" > "$new" &&
        nginx -t -q -p "$RUN_DIRECTORY/" -e stderr -c "$new" &&
        mv -f "$new" "$RUN_DIRECTORY/nginx.conf"
}

# upstreams_keep PRODUCT ORDER: what nginx runs with, for watch-names.
upstreams_keep() {
    printf '%s\n' "$1" "$2" > "$RUN_DIRECTORY/upstreams.new" &&
        mv -f "$RUN_DIRECTORY/upstreams.new" "$RUN_DIRECTORY/upstreams"
}
