# TLS at the gateway: PRODORDER_TLS_CERT and PRODORDER_TLS_KEY, two files in PEM, switch it on.
#
# While the stack runs they are remembered in run/tls, so that commands which follow `up` need not be
# told again; set to nothing, they switch it off. The files stay where they are: nginx reads them.

# tls_load: sets TLS_CERT and TLS_KEY, absolute paths, both empty when TLS is off. Links are kept: the
# renewal of a certificate changes them.
tls_load() {
    TLS_CERT='' TLS_KEY=''
    if [ -n "${PRODORDER_TLS_CERT+set}${PRODORDER_TLS_KEY+set}" ]; then
        TLS_CERT=${PRODORDER_TLS_CERT:-} TLS_KEY=${PRODORDER_TLS_KEY:-}
    elif [ -f "$STACK_HOME/run/tls" ]; then
        { read -r TLS_CERT && read -r TLS_KEY; } < "$STACK_HOME/run/tls" || TLS_CERT='' TLS_KEY=''
    fi
    [[ -z $TLS_CERT || $TLS_CERT == /* ]] || TLS_CERT=$PWD/$TLS_CERT
    [[ -z $TLS_KEY || $TLS_KEY == /* ]] || TLS_KEY=$PWD/$TLS_KEY
}

# tls_check: before anything is started. What is in the files is for nginx to judge.
tls_check() {
    tls_load
    [ -n "$TLS_CERT$TLS_KEY" ] || return 0
    [ -n "$TLS_CERT" ] && [ -n "$TLS_KEY" ] ||
        die "PRODORDER_TLS_CERT and PRODORDER_TLS_KEY belong together: one of them is empty" \
            "Set both to switch TLS on, none to leave it off."
    tls_check_file PRODORDER_TLS_CERT "$TLS_CERT"
    tls_check_file PRODORDER_TLS_KEY "$TLS_KEY"
}

tls_check_file() {
    [[ $2 != *[[:space:]\'\"\;\$\{\}\\#\&]* ]] ||
        die "$1 '$2' has a space, quote, brace, dollar, backslash, number sign, ampersand or semicolon in its path"
    [ -f "$2" ] || die "$1: there is no file $2"
    [ -r "$2" ] || die "$1: user $(id -un 2> /dev/null || id -u), who starts nginx, may not read $2"
}

tls_is_on() {
    tls_load
    [ -n "$TLS_CERT" ] && [ -n "$TLS_KEY" ]
}

# tls_keep: remember what the gateway runs with; for a pair that nginx has accepted.
tls_keep() {
    if tls_is_on; then
        printf '%s\n' "$TLS_CERT" "$TLS_KEY" > "$STACK_HOME/run/tls"
    else
        rm -f "$STACK_HOME/run/tls"
    fi
}

# tls_render: conf/tls.conf for this stack, on standard output; nothing when TLS is off. Lines keep their
# numbers. The certificate's hash makes a renewed one a changed configuration.
tls_render() {
    tls_is_on || return 0
    settings_port gateway-tls
    tls_render_conf "$ROOT/conf/tls.conf.example" "$STACK_LISTEN:$RET_PORT"
    echo "# Made by ./prodorder from $ROOT/conf/tls.conf.example. SHA-256 of the certificate's file:"
    sha256sum < "$TLS_CERT" | sed 's/^/# /'
}

# tls_render_conf FILE LISTEN: FILE for this address and for the files that tls_load found.
tls_render_conf() {
    local version
    sed -e "s#127\\.0\\.0\\.1:4443\\b#$2#" \
        -e "s#^ssl_certificate .*#ssl_certificate $TLS_CERT;#" \
        -e "s#^ssl_certificate_key .*#ssl_certificate_key $TLS_KEY;#" "$1" |
        if version=$(nginx -v 2>&1) && tls_has_http2_directive "${version##*/}"; then
            sed 's/^\(listen .*\) http2\(.*\)$/\1\2 http2 on;/'
        else
            cat
        fi
}

# tls_has_http2_directive VERSION: from nginx 1.25.1 on, "listen … http2" is deprecated.
tls_has_http2_directive() {
    [ "$(printf '%s\n' 1.25.1 "$1" | sort -V | head -n 1)" = 1.25.1 ]
}

# The https address on which this machine reaches the gateway.
tls_url() {
    settings_port gateway-tls
    echo "https://$(settings_gateway_host):$RET_PORT"
}
