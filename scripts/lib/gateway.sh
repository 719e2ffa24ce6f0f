# The gateway: nginx with our module, configured by the repository's nginx.conf.
#
# STACK_HOME/gateway is nginx's prefix, laid out like the repository (nginx.conf, openapi.json,
# conf/tls.conf, build/MODULE, build/docs), so that relative paths mean the same there. The copy of
# nginx.conf has this stack's addresses in the place of those that the original names, and our own
# directives for how nginx runs. The module is a copy too: building anew must not overwrite a file that
# a running nginx has mapped.

GATEWAY_START_LIMIT_S=20
GATEWAY_STOP_LIMIT_S=15
GATEWAY_MODULE=ngx_http_prodorder_gateway_module.so

# What nginx.conf refers to by a relative path, and where it is, one pair a line.
gateway_files() {
    echo "openapi.json $ROOT/openapi.json"
    [ ! -d "$STACK_BUILD/docs" ] || echo "build/docs $STACK_BUILD/docs"
}

gateway_ports() {
    echo gateway
    ! tls_is_on || echo gateway-tls
}

gateway_start() {
    local dir
    gateway_prepare
    dir=$RET_DIR
    gateway_render "$dir" > "$dir/nginx.conf"
    gateway_copy_files "$dir"
    gateway_write_tls "$dir"
    gateway_preload
    gateway_check_conf "$dir"
    process_start gateway '' nginx -p "$dir/" -e stderr -c "$dir/nginx.conf"
}

# The master runs as the caller; when that is root, the workers are www-data.
gateway_prepare() {
    local dir
    [ -f "$ROOT/nginx.conf" ] || die "gateway: $ROOT/nginx.conf is missing"
    [ -f "$STACK_BUILD/$GATEWAY_MODULE" ] ||
        die "gateway: $STACK_BUILD/$GATEWAY_MODULE does not exist" "Build it: make gateway"
    dirs_user www-data
    dirs_server gateway "$RET_USER"
    dir=$RET_DIR
    mkdir -p "$dir/temp" "$dir/build" "$dir/conf" "$dir/logs"
    if [ -n "$RET_USER" ]; then
        # The workers read all of it, and write only to temp/: the master, root, loads the rest.
        chown root: "$dir"
        chmod 755 "$dir"
        chown "$RET_USER:" "$dir/temp"
    fi
}

# What the configuration refers to, replaced as whole files.
gateway_copy_files() {
    local dir=$1 file from
    cp "$STACK_BUILD/$GATEWAY_MODULE" "$dir/build/$GATEWAY_MODULE.new"
    mv -f "$dir/build/$GATEWAY_MODULE.new" "$dir/build/$GATEWAY_MODULE"
    while read -r file from; do
        rm -rf "${dir:?}/$file"
        cp -R "$from" "$dir/$file"
    done < <(gateway_files)
}

gateway_write_tls() {
    tls_keep
    rm -f "$1/conf/tls.conf"
    [ -z "$TLS_CERT" ] || tls_render > "$1/conf/tls.conf"
}

# gateway_render DIR: nginx.conf for this stack, on standard output.
gateway_render() {
    local listen product order kind
    settings_port gateway
    listen=$STACK_LISTEN:$RET_PORT
    settings_port product-service
    product=127.0.0.1:$RET_PORT
    settings_port order-service
    order=127.0.0.1:$RET_PORT
    dirs_user www-data
    echo "# Made by ./prodorder from $ROOT/nginx.conf at every start."
    [ -z "$RET_USER" ] || echo "user $RET_USER;"
    echo "daemon off;"
    echo "pid $1/nginx.pid;"
    sed -E \
        -e '/^(daemon|pid|user|lock_file)[[:space:]]/d' \
        -e '/^[[:space:]]*(client_body|proxy|fastcgi|uwsgi|scgi)_temp_path[[:space:]]/d' \
        -e "s#127\\.0\\.0\\.1:4000\\b#$listen#g" \
        -e "s#127\\.0\\.0\\.1:3001\\b#$product#g" \
        -e "s#127\\.0\\.0\\.1:3002\\b#$order#g" \
        -e "/^http[[:space:]]*\\{/a\\$(for kind in client_body proxy fastcgi uwsgi scgi; do
            printf '    %s_temp_path %s/temp/%s;\\n' "$kind" "$1" "$kind"
        done)" "$ROOT/nginx.conf"
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

gateway_check_conf() {
    local said
    said=$(env ${PROCESS_ENV[@]+"${PROCESS_ENV[@]}"} nginx -t -q -p "$1/" -e stderr -c "$1/nginx.conf" 2>&1) || {
        ui_bad gateway failed
        die "nginx refuses the gateway's configuration:" "$said" \
            "It was made from $ROOT/nginx.conf. After an upgrade of nginx: make clean, then ./prodorder up"
    }
}

# Alive is enough: whether the services behind it are ready is theirs to say (/readyz asks them).
gateway_ready() {
    http_ok "$(settings_url gateway)/livez"
}

gateway_after_start() {
    :
}

# The module, the contract or the configuration changed since it was started.
gateway_outdated() {
    local dir file from
    process_pid gateway || return 1
    dir=$(readlink -f "$STACK_HOME/gateway")
    while read -r file from; do
        diff -rq "$from" "$dir/$file" > /dev/null 2>&1 || return 0
    done < <(gateway_files)
    ! cmp -s "$STACK_BUILD/$GATEWAY_MODULE" "$dir/build/$GATEWAY_MODULE" ||
        ! cmp -s <(gateway_render "$dir") "$dir/nginx.conf" ||
        ! cmp -s <(tls_render) <(cat "$dir/conf/tls.conf" 2> /dev/null)
}

# QUIT lets requests in flight end.
gateway_stop() {
    process_stop gateway QUIT "$GATEWAY_STOP_LIMIT_S"
}

gateway_env() {
    printf '%s\n' "PRODORDER_GATEWAY_URL=$(settings_url gateway)"
}
