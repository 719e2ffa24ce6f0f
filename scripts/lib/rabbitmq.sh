# The private RabbitMQ node, with the management UI.
#
# Its name is prodorder@127.0.0.1, so that no name needs to be resolved, and it has an Erlang port
# mapper (epmd) of its own: the usual one is shared by the machine and listens on every address.

RABBITMQ_START_LIMIT_S=120
RABBITMQ_STOP_LIMIT_S=60
RABBITMQ_LIBEXEC=/usr/lib/rabbitmq/bin
RABBITMQ_WAL_BYTES=67108864
RABBITMQ_TICK_MS=500
# Said at its start when it was killed while the register of its quorum queues was being written.
RABBITMQ_REPAIRED='names.dets" not properly closed'
RABBITMQ_FILES=(rabbitmq.conf advanced.config enabled_plugins)

rabbitmq_ports() {
    echo rabbitmq rabbitmq-management rabbitmq-distribution
}

rabbitmq_start() {
    local dir
    dirs_user rabbitmq
    dirs_server rabbitmq "$RET_USER"
    dir=$RET_DIR
    rabbitmq_write_conf "$dir"
    rabbitmq_start_epmd
    mapfile -t PROCESS_ENV < <(rabbitmq_env rabbitmq)
    # With ALLOW_INPUT the script becomes the Erlang VM, instead of staying on as its parent.
    PROCESS_ENV+=(RABBITMQ_ALLOW_INPUT=1 RABBITMQ_SERVER_START_ARGS=-noinput)
    rabbitmq_program rabbitmq-server
    process_start rabbitmq "$RET_USER" "$RET_PROGRAM"
}

# Debian's programs in PATH change users by themselves; those behind them do not (sets RET_PROGRAM).
rabbitmq_program() {
    RET_PROGRAM=$RABBITMQ_LIBEXEC/$1
    [ -x "$RET_PROGRAM" ] || RET_PROGRAM=$1
}

# It runs with other settings than it would be started with now, those of a version before.
rabbitmq_outdated() {
    local dir new file status=1
    process_pid rabbitmq && dir=$(readlink -e "$STACK_HOME/rabbitmq") || return 1
    new=$(mktemp -d)
    RET_USER='' rabbitmq_write_conf "$new"
    for file in "${RABBITMQ_FILES[@]}"; do
        cmp -s "$new/$file" "$dir/$file" || status=0
    done
    rm -rf "$new"
    return "$status"
}

rabbitmq_start_epmd() {
    ! process_pid rabbitmq-epmd || return 0
    ports_require rabbitmq-epmd
    dirs_user rabbitmq
    settings_port rabbitmq-epmd
    PROCESS_ENV=()
    process_start rabbitmq-epmd "$RET_USER" epmd -address 127.0.0.1 -port "$RET_PORT"
}

rabbitmq_write_conf() {
    local amqp management file
    settings_port rabbitmq
    amqp=$RET_PORT
    settings_port rabbitmq-management
    management=$RET_PORT
    cat > "$1/rabbitmq.conf" <<END
# Written by ./prodorder at every start.
listeners.tcp.1 = 127.0.0.1:$amqp
management.tcp.ip = 127.0.0.1
management.tcp.port = $management
log.console = true
log.console.level = info
log.file = false

# Publishers are held back beyond these, before the machine suffers.
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 256MB

# Quorum queues keep what is in the write-ahead log in memory, too; it is 512 MB unless said otherwise.
raft.wal_max_size_bytes = $RABBITMQ_WAL_BYTES
END
    # How many messages a quorum queue has is told at these times only; 5 s unless said otherwise.
    echo "[{rabbit, [{quorum_tick_interval, $RABBITMQ_TICK_MS}]}]." > "$1/advanced.config"
    # Shovels move messages from queue to queue, with confirms: scripts/convert-queues.
    echo '[rabbitmq_management,rabbitmq_shovel].' > "$1/enabled_plugins"
    for file in "${RABBITMQ_FILES[@]}"; do
        [ -z "$RET_USER" ] || chown "$RET_USER:" "$1/$file"
    done
}

# What the node, and rabbitmqctl when it shall talk to it, must have in its environment.
rabbitmq_env() {
    local dir schedulers
    dir=$(readlink -f "$STACK_HOME/rabbitmq")
    schedulers=$(nproc)
    [ "$schedulers" -le 4 ] || schedulers=4
    settings_port rabbitmq-epmd
    printf '%s\n' "HOME=$dir" RABBITMQ_NODENAME=prodorder@127.0.0.1 RABBITMQ_USE_LONGNAME=true \
        ERL_EPMD_ADDRESS=127.0.0.1 "ERL_EPMD_PORT=$RET_PORT"
    settings_port rabbitmq-distribution
    printf '%s\n' "RABBITMQ_DIST_PORT=$RET_PORT" \
        RABBITMQ_CONF_ENV_FILE=/dev/null "RABBITMQ_CONFIG_FILE=$dir/rabbitmq.conf" \
        "RABBITMQ_ADVANCED_CONFIG_FILE=$dir/advanced.config" \
        "RABBITMQ_ENABLED_PLUGINS_FILE=$dir/enabled_plugins" \
        "RABBITMQ_MNESIA_BASE=$dir/mnesia" "RABBITMQ_LOG_BASE=$dir/log" RABBITMQ_LOGS=- \
        "RABBITMQ_GENERATED_CONFIG_DIR=$dir/config" "RABBITMQ_SCHEMA_DIR=$dir/schema" \
        "RABBITMQ_PID_FILE=$dir/rabbitmq.pid" RABBITMQ_SCHEDULER_BIND_TYPE=u \
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S $schedulers:$schedulers +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"
}

# Ready when it answers an AMQP protocol header with its first method (connection.start): the
# listener opens last. An older protocol version would be answered with a header, 'A' first.
rabbitmq_ready() {
    local first=
    settings_port rabbitmq
    {
        exec {RET_FD}<> "/dev/tcp/127.0.0.1/$RET_PORT" || return 1
        printf 'AMQP\x00\x00\x09\x01' >&"$RET_FD"
        IFS= read -r -N 1 -t 2 first <&"$RET_FD" || true
        exec {RET_FD}>&-
    } 2> /dev/null
    [ "$first" = $'\x01' ] || return 1
    settings_port rabbitmq-management
    ports_busy "$RET_PORT"
}

# RabbitMQ 4 drops or dead-letters a message after 20 deliveries, those counted that ended with a connection,
# unless a policy says otherwise. 3.x has no such limit, and refuses -1.
rabbitmq_after_start() {
    local api
    rabbitmq_elect_leaders
    settings_port rabbitmq-management
    api=http://guest:guest@127.0.0.1:$RET_PORT/api
    [[ $(curl -s -m 5 "$api/overview") =~ \"rabbitmq_version\":\"([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge 4 ] || return 0
    curl -sf -m 5 -o /dev/null -X PUT -H 'Content-Type: application/json' "$api/policies/%2F/prodorder" -d \
        '{"pattern":"^(order|product)[.]","apply-to":"quorum_queues","definition":{"delivery-limit":-1}}' ||
        die "rabbitmq: its policy against a delivery limit was refused" "Its log: ./prodorder logs rabbitmq"
}

# RabbitMQ 3.10 has a new quorum queue in its register on disk about a second after its declaration. Killed
# before that, it starts the queue anew, as one that waits to be told to elect its leader, for ever: nobody can
# use it. Queues that have members on other nodes are left alone: those may have what this one has lost. What
# could not be looked at is looked at again by the next up.
rabbitmq_elect_leaders() {
    local said word name runner=() mark=$STACK_HOME/run/rabbitmq.unelected
    ! process_log_of_start rabbitmq | grep -F "$RABBITMQ_REPAIRED" > /dev/null || touch "$mark"
    [ -e "$mark" ] || return 0
    dirs_user rabbitmq
    [ -z "$RET_USER" ] || runner=(setpriv --reuid="$RET_USER" --regid="$(id -g "$RET_USER")" --init-groups)
    mapfile -t PROCESS_ENV < <(rabbitmq_env rabbitmq)
    rabbitmq_program rabbitmqctl
    said=$(cd / && ${runner[@]+"${runner[@]}"} env "${PROCESS_ENV[@]}" "$RET_PROGRAM" -q -t 30 eval '
        Is = fun(State, Queue) ->
            {Name, Node} = amqqueue:get_pid(Queue),
            maps:get(nodes, amqqueue:get_type_state(Queue)) =:= [node()]
                andalso Node =:= node()
                andalso (catch element(1, sys:get_state(Name))) =:= State
        end,
        Waiting = fun(Queue) -> Is(follower, Queue) end,
        Quorum = [Queue || Queue <- rabbit_amqqueue:list(), amqqueue:get_type(Queue) =:= rabbit_quorum_queue],
        First = lists:filter(Waiting, Quorum),
        First =:= [] orelse timer:sleep(1000),
        Alone = lists:filter(Waiting, First),
        [ra:trigger_election(amqqueue:get_pid(Queue)) || Queue <- Alone],
        Alone =:= [] orelse timer:sleep(1000),
        [io:format("~s ~s~n", [case Is(leader, Queue) of true -> "elected"; false -> "leaderless" end,
            element(4, amqqueue:get_name(Queue))]) || Queue <- Alone],
        ok.' 2>&1) || {
        ui_warn "rabbitmq: whether its queues have leaders cannot be seen: ${said##*$'\n'}"
        return 0
    }
    while read -r word name; do
        case $word in
        elected) ui_step rabbitmq "$name had no leader after RabbitMQ was killed; it has one now" ;;
        leaderless) ui_warn "rabbitmq: $name has no leader, and elects none: docs/operations.md" ;;
        esac
    done <<< "$said"
    [[ $said == *leaderless* ]] || rm -f "$mark"
}

# rabbitmq_convert_queues [--check]: scripts/convert-queues, on this node.
rabbitmq_convert_queues() {
    RABBITMQ_MANAGEMENT_URL=$(settings_url rabbitmq-management) RABBITMQ_ADMIN_USER=guest RABBITMQ_ADMIN_PASSWORD=guest \
        RABBITMQ_VHOST=/ "$ROOT/scripts/convert-queues" "$@"
}

rabbitmq_stop() {
    process_stop rabbitmq TERM "$RABBITMQ_STOP_LIMIT_S"
    process_stop rabbitmq-epmd TERM 5
}
