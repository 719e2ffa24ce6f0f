# The stack as a whole: what starts before what, waiting until it is ready, stopping in reverse order.

# stack_lock: one ./prodorder at a time changes a stack. Held until this process ends; no child has it.
stack_lock() {
    dirs_require_ours
    exec {STACK_LOCK}> "$STACK_HOME/lock"
    flock -n "$STACK_LOCK" && return 0
    ui_say "another ./prodorder is at work on $STACK_HOME; waiting for it"
    flock -w 900 "$STACK_LOCK" || die "the other ./prodorder is still at work after 15 minutes"
}

# stack_on_interrupt: what Ctrl-C and TERM say while things start. Those who are just starting
# something have process groups of their own, which Ctrl-C does not reach, and finish it.
stack_on_interrupt() {
    trap 'stack_interrupted 130' INT
    trap 'stack_interrupted 143' TERM
}

stack_interrupted() {
    trap 'exit 130' INT
    trap 'exit 143' TERM
    ui_error "interrupted. What was started keeps running: ./prodorder up continues, ./prodorder down stops it"
    wait
    exit "$1"
}

# stack_require_backends NAME...: a service cannot become ready without its database, which must run
# or be among the names. It does become ready without Redis and RabbitMQ: it serves what can be served.
stack_require_backends() {
    local name backend missing=()
    for name; do
        kind_of "$name"
        [ "$RET_KIND" = service ] || continue
        settings_service "$name"
        backend=${RET_SERVICE%-service}-db
        [[ " $* ${missing[*]-} " == *" $backend "* ]] || process_pid "$backend" || missing+=("$backend")
    done
    [ ${#missing[@]} -eq 0 ] ||
        die "$* cannot become ready: not running: ${missing[*]}" "Start everything: ./prodorder up"
}

# stack_prepare NAME...: what can be refused is tested before anything is stopped.
stack_prepare() {
    stack_require_backends "$@"
    [[ " $* " != *" gateway "* ]] || gateway_prepare
}

# stack_up NAME...: start those that do not run, in stages, and wait for each stage. After stack_prepare.
stack_up() {
    local stage name names
    stack_restart_outdated "$@"
    stack_require_ports "$@"
    for stage in backends services gateway; do
        names=()
        for name; do
            [ "$(stack_stage "$name")" != "$stage" ] || names+=("$name")
        done
        [ "$stage" != services ] || stack_convert_queues "$@"
        [ ${#names[@]} -eq 0 ] || stack_start_stage "${names[@]}"
    done
}

stack_stage() {
    case $1 in
    *-service | *-service-[2-9]) echo services ;;
    gateway) echo gateway ;;
    *) echo backends ;;
    esac
}

# Programs, the gateway's module or RabbitMQ's settings, that changed since they were started. Both services are
# stopped before either starts: versions before and after a change do not meet.
stack_restart_outdated() {
    local name
    for name in "${STACK_OURS[@]}" rabbitmq; do
        [[ " $* " == *" $name "* ]] || continue
        kind_of "$name"
        if "${RET_KIND}_outdated" "$name"; then
            ui_step "$name" "changed since it was started: restarting it"
            "${RET_KIND}_stop" "$name"
        fi
    done
}

# stack_convert_queues NAME...: where all that uses them is started, before it is: classic queues of versions
# before become quorum queues. Elsewhere the services use them as they are.
stack_convert_queues() {
    local name queues running=()
    for name in rabbitmq "${STACK_SERVICES[@]}"; do
        [[ " $* " == *" $name "* ]] || return 0
    done
    queues=$(rabbitmq_convert_queues --check) || {
        ui_warn "rabbitmq: whether it has queues to convert cannot be seen; they are used as they are"
        return 0
    }
    [ -n "$queues" ] || return 0
    for name in "${STACK_SERVICES[@]}"; do
        ! process_pid "$name" || running+=("$name")
    done
    [ ${#running[@]} -eq 0 ] || stack_down "${running[@]}"
    ui_step rabbitmq "moving what is in $(wc -w <<< "$queues") queues of a version before, and back"
    rabbitmq_convert_queues || exit 1
}

stack_require_ports() {
    local name
    for name; do
        if ! process_pid "$name"; then
            process_end_remains "$name"
            kind_of "$name"
            # shellcheck disable=SC2046 # a list of names
            ports_require $("${RET_KIND}_ports" "$name")
        fi
    done
}

# All of a stage start side by side: RabbitMQ takes seconds, initdb too.
stack_start_stage() {
    local name jobs=() started='' failed=''
    for name; do
        kind_of "$name"
        if process_pid "$name"; then
            case $RET_KIND in
            rabbitmq) rabbitmq_start_epmd ;;
            gateway) gateway_take_over ;;
            esac
            continue
        fi
        set -m
        ("${RET_KIND}_start" "$name") &
        set +m
        jobs+=($!)
        started+=" $name"
    done
    for name in ${jobs[@]+"${jobs[@]}"}; do
        wait "$name" || failed=yes
    done
    [ -z "$failed" ] || exit 1
    stack_wait "$started" "$@"
}

# stack_wait STARTED NAME...: until each NAME is ready; STARTED are those that were just started.
stack_wait() {
    local started=" $1 " name begin_ms waiting next text
    shift
    ui_now_ms
    begin_ms=$RET_MS
    waiting=("$@")
    while :; do
        next=()
        for name in "${waiting[@]}"; do
            if ! stack_is_ready "$name"; then
                stack_check_starting "$name" "$begin_ms"
                next+=("$name")
                continue
            fi
            "${RET_KIND}_after_start" "$name"
            text=running
            if [[ $started == *" $name "* ]]; then
                ui_now_ms
                text="ready after $(ui_seconds $((RET_MS - begin_ms)))"
            fi
            process_pid "$name" || true
            process_keep_program "$name"
            ui_good "$name" "$text (pid $RET_PID)"
        done
        [ ${#next[@]} -gt 0 ] || return 0
        waiting=("${next[@]}")
        ui_transient "" "waiting for ${waiting[*]}"
        sleep 0.1
    done
}

# Sets RET_KIND too.
stack_is_ready() {
    kind_of "$1"
    process_pid "$1" && "${RET_KIND}_ready" "$1"
}

# Not ready yet: is that still all right?
stack_check_starting() {
    local name=$1 limit_s reason
    kind_of "$name"
    limit_s=${RET_KIND^^}_START_LIMIT_S
    limit_s=${!limit_s}
    ui_now_ms
    if ! process_pid "$name"; then
        reason="$name ended while it was starting"
    elif [ $((RET_MS - $2)) -gt $((limit_s * 1000)) ]; then
        reason="$name is not ready after $limit_s s"
    else
        return 0
    fi
    ui_bad "$name" failed
    stack_explain "$name" "$reason"
    exit 1
}

# stack_explain NAME REASON: the error, and what it has logged since it was started, which may tell why.
stack_explain() {
    local log said
    ui_error "$2"
    {
        for log in "$1" "$1-errors"; do
            said=$(process_log_of_start "$log" | tail -n 12)
            [ -n "$said" ] || continue
            echo "  The last lines of $STACK_HOME/log/$log.log since it was started:"
            sed 's/^/    /' <<< "$said"
        done
        if [[ $1 == *-service* ]] && process_pid "$1"; then
            echo "  GET $(settings_url "$1")/readyz answers:"
            curl -sS -m 3 "$(settings_url "$1")/readyz" 2>&1 | sed 's/^/    /' || true
            echo
        fi
        echo "  To try: ./prodorder logs $1, then ./prodorder restart $1"
    } >&2
}

# stack_down NAME...: stop those that run: the gateway first, what stores things last. Within a
# stage side by side; RabbitMQ before the databases matters to nobody.
stack_down() {
    local stage name jobs failed=''
    for stage in gateway services backends; do
        jobs=()
        for name; do
            [ "$(stack_stage "$name")" = "$stage" ] || continue
            kind_of "$name"
            (stack_stop_one "$name") &
            jobs+=($!)
        done
        for name in ${jobs[@]+"${jobs[@]}"}; do
            wait "$name" || failed=yes
        done
    done
    [ -z "$failed" ]
}

stack_stop_one() {
    if stack_is_any_alive "$1"; then
        "${RET_KIND}_stop" "$1"
        ui_step "$1" stopped
    else
        rm -f "$STACK_HOME/run/$1.pid"
        ui_step "$1" "does not run"
    fi
}

# stack_down_surplus: replicas that a stack with more of them has started.
stack_down_surplus() {
    local service i names=()
    for service in product-service order-service; do
        for ((i = STACK_REPLICAS + 1; i <= SETTINGS_REPLICAS_MAX; i++)); do
            ! process_pid "$service-$i" || names+=("$service-$i")
        done
    done
    [ ${#names[@]} -eq 0 ] || stack_down "${names[@]}"
}

# stack_down_alive: all those that run, without a word on the others.
stack_down_alive() {
    local name names=()
    for name in "${STACK_ALL[@]}"; do
        ! stack_is_any_alive "$name" || names+=("$name")
    done
    [ ${#names[@]} -eq 0 ] || stack_down "${names[@]}"
    stack_down_surplus
}

# stack_is_any_alive NAME: it, its helper, or what is left of it after a kill.
stack_is_any_alive() {
    process_pid "$1" || process_remains "$1" || { [ "$1" = rabbitmq ] && process_pid rabbitmq-epmd; }
}

# stack_status: one line for each process; fails when one is not healthy.
stack_status() {
    local name health failed=''
    printf '%s%-16s %8s %6s  %-10s %10s %9s%s\n' "$UI_BOLD" NAME PID PORT HEALTH UPTIME MEMORY "$UI_RESET"
    for name in "${STACK_ALL[@]}"; do
        settings_port "$name"
        if ! process_pid "$name"; then
            printf '%-16s %8s %6s  %s%-10s%s %10s %9s\n' "$name" - "$RET_PORT" "$UI_RED" down "$UI_RESET" - -
            failed=yes
            continue
        fi
        health="$UI_GREEN$(printf %-10s healthy)$UI_RESET"
        if ! stack_is_ready "$name"; then
            health="$UI_RED$(printf %-10s unhealthy)$UI_RESET"
            failed=yes
        elif [ "$RET_KIND" = service ] && service_is_degraded "$name"; then
            health="$UI_YELLOW$(printf %-10s degraded)$UI_RESET"
        fi
        settings_port "$name"
        process_uptime "$RET_PID" || RET_UPTIME_S=0
        process_memory "$RET_PID"
        printf '%-16s %8s %6s  %s %10s %9s\n' "$name" "$RET_PID" "$RET_PORT" "$health" \
            "$(stack_duration "$RET_UPTIME_S")" "$RET_MIB MiB"
    done
    [ -z "$failed" ]
}

# "2d 03:04:05", "3:04:05" or "4:05".
stack_duration() {
    local s=$1
    if [ "$s" -ge 86400 ]; then
        printf '%dd %02d:%02d:%02d' $((s / 86400)) $((s / 3600 % 24)) $((s / 60 % 60)) $((s % 60))
    elif [ "$s" -ge 3600 ]; then
        printf '%d:%02d:%02d' $((s / 3600)) $((s / 60 % 60)) $((s % 60))
    else
        printf '%d:%02d' $((s / 60)) $((s % 60))
    fi
}
