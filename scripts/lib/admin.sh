# ./prodorder dlq: prodorder-admin, with the addresses of this stack. Where nothing of it was ever started, those in the
# environment count: a stack of containers, or on another machine.

admin_run() {
    local program=$STACK_BUILD/prodorder-admin
    [ -x "$program" ] || die "$program does not exist" "Build it: ./prodorder up, or make"
    if [ -d "$STACK_HOME/run" ]; then
        dirs_require_ours
        settings_require_same
        require_running rabbitmq
        settings_port rabbitmq
        export RABBITMQ_URL=amqp://guest:guest@127.0.0.1:$RET_PORT/
    fi
    exec "$program" "$@"
}
