# ./prodorder dlq, audit, order: prodorder-admin, with the addresses of this stack. Where one of the variables is set, or
# nothing of the stack was ever started, those in the environment count: a stack of containers, or on another machine.

ADMIN_VARIABLES=(RABBITMQ_URL ORDER_DATABASE_URL PRODUCT_DATABASE_URL ORDER_REDIS_URL PRODUCT_REDIS_URL)

admin_run() {
    local program=$STACK_BUILD/prodorder-admin
    [ -x "$program" ] || die "$program does not exist" "Build it: ./prodorder up, or make"
    if admin_is_given; then
        ui_say "not this stack, but where $RET_VARIABLE and the like say" >&2
    elif [ -d "$STACK_HOME/run" ]; then
        dirs_require_ours
        settings_require_same
        admin_addresses "$1"
    fi
    exec "$program" "$@"
}

# admin_is_given: whether an address is in the environment (sets RET_VARIABLE).
admin_is_given() {
    local name
    for name in "${ADMIN_VARIABLES[@]}"; do
        RET_VARIABLE=$name
        [ -z "${!name:-}" ] || return 0
        RET_VARIABLE=${name}_FILE
        [ -z "${!RET_VARIABLE:-}" ] || return 0
    done
    return 1
}

# admin_addresses COMMAND: what does not run the program finds out, and looks at the rest.
admin_addresses() {
    local side name=${1:-}
    [ "$name" != dlq ] || require_running rabbitmq
    settings_port rabbitmq
    export RABBITMQ_URL=amqp://guest:guest@127.0.0.1:$RET_PORT/
    [ "$name" != dlq ] || return 0
    for side in order product; do
        settings_port "$side-db"
        dirs_secret "$side-db"
        export "${side^^}_DATABASE_URL=postgresql://$side:$RET_SECRET@127.0.0.1:$RET_PORT/$side"
        settings_port "$side-redis"
        export "${side^^}_REDIS_URL=redis://127.0.0.1:$RET_PORT"
    done
}
