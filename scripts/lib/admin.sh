# ./prodorder dlq, audit, order: prodorder-admin, with the addresses of this stack. Where nothing of it was ever started,
# those in the environment count: a stack of containers, or on another machine.

admin_run() {
    local program=$STACK_BUILD/prodorder-admin
    [ -x "$program" ] || die "$program does not exist" "Build it: ./prodorder up, or make"
    if [ -d "$STACK_HOME/run" ]; then
        dirs_require_ours
        settings_require_same
        admin_addresses "$1"
    fi
    exec "$program" "$@"
}

# admin_addresses COMMAND: what it needs has to run.
admin_addresses() {
    local side name=${1:-}
    require_running rabbitmq
    settings_port rabbitmq
    export RABBITMQ_URL=amqp://guest:guest@127.0.0.1:$RET_PORT/
    [ "$name" != dlq ] || return 0
    for side in order product; do
        require_running "$side-db"
        settings_port "$side-db"
        dirs_secret "$side-db"
        export "${side^^}_DATABASE_URL=postgresql://$side:$RET_SECRET@127.0.0.1:$RET_PORT/$side"
        require_running "$side-redis"
        settings_port "$side-redis"
        export "${side^^}_REDIS_URL=redis://127.0.0.1:$RET_PORT"
    done
}
