# The gateway: nginx with our module, from the repository's nginx.conf.

GATEWAY_START_LIMIT_S=20
GATEWAY_STOP_LIMIT_S=15

gateway_ports() {
    echo gateway
}

gateway_start() {
    die "gateway: nginx.conf does not exist yet"
}

gateway_ready() {
    http_ok "$(settings_url gateway)/readyz"
}

gateway_after_start() {
    :
}

gateway_outdated() {
    false
}

gateway_stop() {
    process_stop gateway QUIT "$GATEWAY_STOP_LIMIT_S"
}

gateway_env() {
    :
}
