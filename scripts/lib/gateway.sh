# The gateway: nginx with our module, configured by the repository's nginx.conf.
#
# STACK_HOME/gateway is nginx's prefix, laid out like the repository (nginx.conf, openapi.json,
# asyncapi.json, conf/*.conf, build/MODULE, build/docs), so that relative paths mean the same there. How its files are
# made, tested and replaced: gateway_next.sh. A running gateway takes them over with a reload, by which
# no connection is refused; a module that was built anew needs a restart.

GATEWAY_START_LIMIT_S=20
GATEWAY_STOP_LIMIT_S=15
GATEWAY_RELOAD_LIMIT_S=15
GATEWAY_MODULE=ngx_http_prodorder_gateway_module.so

gateway_ports() {
    echo gateway
    ! tls_is_on || echo gateway-tls
}

# gateway_prepare: before anything is stopped. Its next configuration, if nginx accepts it; else the end.
gateway_prepare() {
    local file
    for file in nginx.conf openapi.json asyncapi.json; do
        [ -f "$ROOT/$file" ] || die "gateway: $ROOT/$file is missing"
    done
    [ -f "$STACK_BUILD/$GATEWAY_MODULE" ] ||
        die "gateway: $STACK_BUILD/$GATEWAY_MODULE does not exist" "Build it: make gateway"
    gateway_directory
    gateway_next_make "$RET_DIR/next"
    gateway_next_test "$RET_DIR/next"
    gateway_require_tls_port "$RET_DIR"
}

# gateway_directory: nginx's prefix (sets RET_DIR). The master runs as the caller; when that is root, the
# workers are www-data: they read all of it, and write only to temp/. The master loads the rest.
gateway_directory() {
    dirs_user www-data
    dirs_server gateway "$RET_USER"
    mkdir -p "$RET_DIR/temp" "$RET_DIR/logs"
    if [ -n "$RET_USER" ]; then
        chown root: "$RET_DIR"
        chmod 755 "$RET_DIR"
        chown "$RET_USER:" "$RET_DIR/temp"
    fi
}

# TLS that is switched on while the gateway runs: the port is free, or the old gateway goes on.
gateway_require_tls_port() {
    ! process_pid gateway || [ -f "$1/conf/tls.conf" ] || ! tls_is_on || (ports_require gateway-tls) ||
        die "$(gateway_refused_hint)"
}

gateway_start() {
    local dir
    gateway_directory
    dir=$RET_DIR
    gateway_next_install "$dir/next" "$dir"
    rm -rf "$dir/next"
    tls_keep
    gateway_preload
    PROCESS_ERRORS=gateway-errors
    process_start gateway '' nginx -p "$dir/" -e stderr -c "$dir/nginx.conf"
}

# A module built with AddressSanitizer needs its runtime in the nginx that loads it.
gateway_preload() {
    local sanitize
    PROCESS_ENV=()
    sanitize=$(sed -n 's/^SANITIZE := //p' "$STACK_BUILD/config.mk")
    case $sanitize in
    *address*) PROCESS_ENV=("LD_PRELOAD=$(gcc -print-file-name=libasan.so)" ASAN_OPTIONS=detect_leaks=0) ;;
    *thread*) PROCESS_ENV=("LD_PRELOAD=$(gcc -print-file-name=libtsan.so)") ;;
    esac
}

# Alive is enough: whether the services behind it are ready is theirs to say (/readyz asks them).
gateway_ready() {
    http_ok "$(settings_url gateway)/livez"
}

gateway_after_start() {
    :
}

# It needs a restart: the module that it has loaded is another one.
gateway_outdated() {
    process_pid gateway || return 1
    gateway_directory
    ! cmp -s "$RET_DIR/next/build/$GATEWAY_MODULE" "$RET_DIR/build/$GATEWAY_MODULE"
}

# gateway_take_over: while it runs, what else has changed. When nginx does not accept it after all (an
# address to listen on that is not free, say), its files are again what it runs with.
gateway_take_over() {
    local dir said
    gateway_directory
    dir=$RET_DIR
    if gateway_next_differs "$dir/next" "$dir"; then
        ui_step gateway "its configuration changed: reloading it"
        gateway_next_copy "$dir" "$dir/previous"
        gateway_next_install "$dir/next" "$dir"
        said=$(gateway_reload) || {
            gateway_next_install "$dir/previous" "$dir"
            ui_bad gateway "not reloaded"
            die "nginx did not take over the gateway's configuration:" "$(gateway_originals "$dir" "$said")" \
                "$(gateway_refused_hint)" "To stop it and start it with the new one: ./prodorder restart gateway"
        }
    fi
    tls_keep
    rm -rf "$dir/next" "$dir/previous"
}

# gateway_reload: until no worker takes new connections that has the old configuration. Fails when that
# takes too long, or when nginx refuses the new one; says why on standard output.
gateway_reload() {
    local log=$STACK_HOME/log/gateway-errors.log pid workers size begin_ms
    process_pid gateway || { echo "it does not run any more"; return 1; }
    pid=$RET_PID
    process_tree "$pid"
    workers=$RET_PIDS
    size=$(stat -c %s "$log" 2> /dev/null) || size=0
    process_signal gateway "$pid" HUP
    ui_now_ms
    begin_ms=$RET_MS
    while gateway_any_serves "$pid" "$workers"; do
        # It tries for some seconds to listen on an address that is taken, before it gives up.
        ! tail -c "+$((size + 1))" "$log" 2> /dev/null | grep -F '[emerg]' | grep -v ' bind() to ' || return 1
        ui_now_ms
        if [ $((RET_MS - begin_ms)) -gt $((GATEWAY_RELOAD_LIMIT_S * 1000)) ]; then
            echo "it has not done so within $GATEWAY_RELOAD_LIMIT_S s"
            return 1
        fi
        sleep 0.05
    done
}

# gateway_any_serves MASTER PIDS: does one of these, MASTER apart, still take new connections? A worker
# that does not says so in its title.
gateway_any_serves() {
    local one title
    for one in $2; do
        [ "$one" != "$1" ] && process_started_at "$one" || continue
        title=$(tr '\0' ' ' 2> /dev/null < "/proc/$one/cmdline") || continue
        [ -z "$title" ] || [[ $title == *'shutting down'* ]] || return 0
    done
    return 1
}

# QUIT lets requests in flight end.
gateway_stop() {
    process_stop gateway QUIT "$GATEWAY_STOP_LIMIT_S"
}

gateway_env() {
    printf '%s\n' "PRODORDER_GATEWAY_URL=$(settings_url gateway)"
    ! tls_is_on || printf '%s\n' "PRODORDER_GATEWAY_TLS_URL=$(tls_url)"
}
