# The gateway's next configuration: a complete copy in STACK_HOME/gateway/next, which nginx tests there,
# before its files replace those that a gateway runs with.
#
# The copy of nginx.conf has this stack's addresses in the place of those that the original names, and
# our own directives for how nginx runs. Every line keeps its number, and messages on the copy name the
# original. The module is a copy too: building anew must not overwrite a file that nginx has mapped.

# What a configuration consists of.
GATEWAY_FILES=(nginx.conf openapi.json asyncapi.json conf build)

gateway_next_make() {
    rm -rf "$1"
    mkdir -p "$1/temp" "$1/logs" "$1/conf" "$1/build"
    gateway_render > "$1/nginx.conf"
    cp "$ROOT/openapi.json" "$ROOT/asyncapi.json" "$1/"
    cp "$STACK_BUILD/$GATEWAY_MODULE" "$1/build/$GATEWAY_MODULE"
    [ ! -d "$STACK_BUILD/docs" ] || cp -R "$STACK_BUILD/docs" "$1/build/docs"
    # Files that nginx.conf may include. conf/tls.conf is for nginx alone; ours says what we were told.
    find "$ROOT/conf" -maxdepth 1 -name '*.conf' ! -name tls.conf -exec cp {} "$1/conf" \;
    ! tls_is_on || tls_render > "$1/conf/tls.conf"
}

# gateway_render: nginx.conf for this stack, on standard output.
gateway_render() {
    local listen product order
    settings_port gateway
    listen=$STACK_LISTEN:$RET_PORT
    gateway_servers product-service
    product=$RET_SERVERS
    gateway_servers order-service
    order=$RET_SERVERS
    dirs_user www-data
    gateway_render_conf "$ROOT/nginx.conf" "$listen" "$product" "$order" "$RET_USER"
    echo "# Made by ./prodorder from $ROOT/nginx.conf."
}

GATEWAY_FAILS="max_fails=5 fail_timeout=2s"

# gateway_servers SERVICE: what stands behind "server" for its processes (sets RET_SERVERS). Of several, one that fails is
# left out for a moment, a frozen one, too; not after its first failure: when each has one, nginx would have nobody to ask.
gateway_servers() {
    local i
    settings_port "$1"
    RET_SERVERS=127.0.0.1:$RET_PORT
    [ "$STACK_REPLICAS" -gt 1 ] || return 0
    RET_SERVERS+=" $GATEWAY_FAILS"
    for ((i = 2; i <= STACK_REPLICAS; i++)); do
        settings_port "$1-$i"
        RET_SERVERS+="; server 127.0.0.1:$RET_PORT $GATEWAY_FAILS"
    done
}

# gateway_next_test NEXT: nginx's verdict; ends the program when it refuses.
gateway_next_test() {
    local said hints PROCESS_ENV
    gateway_preload
    said=$(env ${PROCESS_ENV[@]+"${PROCESS_ENV[@]}"} nginx -t -q -p "$1/" -e stderr -c "$1/nginx.conf" 2>&1) && return
    rm -rf "$1"
    mapfile -t hints < <(gateway_refused_hints "$said")
    ui_bad gateway "configuration refused"
    die "nginx refuses the gateway's configuration:" "$(gateway_originals "$1" "$said")" "${hints[@]}"
}

# gateway_originals PREFIX TEXT: TEXT with the names of the files that those in PREFIX are copies of.
gateway_originals() {
    local text=$2
    text=${text//"$1/conf/tls.conf"/"$ROOT/conf/tls.conf.example"}
    text=${text//"$1/build/"/"$STACK_BUILD/"}
    text=${text//"$1/"/"$ROOT/"}
    printf '%s\n' "${text//$'\n'/$'\n'  }"
}

# gateway_refused_hints SAID: what to do about it, one hint a line.
gateway_refused_hints() {
    tls_load
    if [[ $1 =~ module\ [^$'\n']*(is not binary compatible|version [0-9]+ instead of) ]]; then
        echo "The module was built for another nginx. After an upgrade of nginx: make clean, then ./prodorder up"
    elif [ -n "$TLS_CERT" ] && [[ $1 == *"\"$TLS_CERT\""* || $1 == *"\"$TLS_KEY\""* ]]; then
        echo "PRODORDER_TLS_CERT is $TLS_CERT, PRODORDER_TLS_KEY is $TLS_KEY:"
        echo "a certificate in PEM, and the private key that belongs to it. Set to nothing, they switch TLS off."
    fi
    gateway_refused_hint
}

gateway_refused_hint() {
    if process_pid gateway; then
        echo "The gateway keeps running with its previous configuration (pid $RET_PID)."
    else
        echo "The gateway does not run. Nothing was started."
    fi
}

# gateway_next_files PREFIX: the files of a configuration, relative to it, sorted.
gateway_next_files() {
    (cd "$1" && { find "${GATEWAY_FILES[@]}" -type f 2> /dev/null || true; } | sort)
}

# gateway_next_differs NEXT DIR: is NEXT another configuration than DIR's?
gateway_next_differs() {
    local file files
    files=$(gateway_next_files "$1")
    [ "$files" = "$(gateway_next_files "$2")" ] || return 0
    while IFS= read -r file; do
        cmp -s "$1/$file" "$2/$file" || return 0
    done <<< "$files"
    return 1
}

# gateway_next_copy DIR TO: a copy of the configuration in DIR.
gateway_next_copy() {
    local file
    rm -rf "$2"
    mkdir -p "$2"
    for file in "${GATEWAY_FILES[@]}"; do
        [ ! -e "$1/$file" ] || cp -R "$1/$file" "$2/$file"
    done
}

# gateway_next_install NEXT DIR: its files move to DIR. Each replaces the earlier one at once, because
# workers may be serving it, and stays when it is the same: its ETag does not change.
gateway_next_install() {
    local file files
    files=$(gateway_next_files "$1")
    while IFS= read -r file; do
        ! cmp -s "$1/$file" "$2/$file" || continue
        mkdir -p "$(dirname "$2/$file")"
        mv -f "$1/$file" "$2/$file"
    done <<< "$files"
    while IFS= read -r file; do
        rm -f "${2:?}/$file"
    done < <(gateway_next_files "$2" | comm -23 - <(printf '%s\n' "$files"))
}
