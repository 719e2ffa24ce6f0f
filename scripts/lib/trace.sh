# ./prodorder trace: where tools/trace/trace.pl finds logs, databases and broker. Passwords go through
# the environment, never through a command line.

trace_run() {
    local side line
    dirs_require_ours
    settings_require_same
    export TRACE_HOME=$STACK_HOME TRACE_RABBITMQ=
    for side in order product; do
        process_pid "$side-db" || continue
        while IFS= read -r line; do
            export "TRACE_${side^^}_$line"
        done < <(postgres_env "$side-db")
    done
    if process_pid rabbitmq; then
        settings_port rabbitmq-management
        TRACE_RABBITMQ=http://127.0.0.1:$RET_PORT
    fi
    exec perl "$ROOT/tools/trace/trace.pl" "$@"
}
