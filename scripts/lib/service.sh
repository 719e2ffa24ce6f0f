# product-service and order-service: our own programs, configured by their environment alone.

SERVICE_START_LIMIT_S=60
SERVICE_STOP_LIMIT_S=15

service_ports() {
    echo "$1"
}

service_start() {
    local program side
    settings_service "$1"
    program=$STACK_BUILD/$RET_SERVICE side=${RET_SERVICE%-service}
    [ -x "$program" ] || die "$1: $program does not exist" "Build it: make"
    dirs_secret_make "$side-db"
    mapfile -t PROCESS_ENV < <(service_env "$1")
    process_start "$1" '' "$program"
}

service_env() {
    local side service
    settings_service "$1"
    service=$RET_SERVICE side=${RET_SERVICE%-service}
    settings_port "$1"
    printf '%s\n' "SERVICE_NAME=$service" "PORT=$RET_PORT"
    settings_port "$side-db"
    dirs_secret "$side-db"
    printf '%s\n' DB_HOST=127.0.0.1 "DB_PORT=$RET_PORT" "DB_USER=$side" "DB_PASSWORD=$RET_SECRET" "DB_NAME=$side"
    settings_port "$side-redis"
    printf '%s\n' REDIS_HOST=127.0.0.1 "REDIS_PORT=$RET_PORT"
    settings_port rabbitmq
    printf '%s\n' "RABBITMQ_URL=amqp://guest:guest@127.0.0.1:$RET_PORT/"
    [ "$side" != order ] || printf '%s\n' "PRODUCT_SERVICE_URL=$(service_product_urls "product-service${1#order-service}")"
}

# service_product_urls NAME: all product-services, NAME first.
service_product_urls() {
    local name urls
    urls=$(settings_url "$1")
    for name in "${STACK_SERVICES[@]}"; do
        [[ $name != product-service* || $name = "$1" ]] || urls+=,$(settings_url "$name")
    done
    printf '%s\n' "$urls"
}

service_ready() {
    http_ok "$(settings_url "$1")/readyz"
}

# It serves, without Redis or RabbitMQ.
service_is_degraded() {
    [[ $(curl -s -m 2 "$(settings_url "$1")/readyz") == *'"status":"degraded"'* ]]
}

service_after_start() {
    :
}

# Built anew since it was started: the file that it runs is no longer the one in build/.
service_outdated() {
    settings_service "$1"
    process_pid "$1" && [ "$(readlink "/proc/$RET_PID/exe")" != "$(readlink -f "$STACK_BUILD/$RET_SERVICE")" ]
}

# It promises to be gone within 10 s of SIGTERM, with nothing in flight lost.
service_stop() {
    process_stop "$1" TERM "$SERVICE_STOP_LIMIT_S"
}

# http_ok URL: is it answered with status 200?
http_ok() {
    [ "$(curl -s -o /dev/null -m 2 -w '%{http_code}' "$1" 2> /dev/null)" = 200 ]
}
