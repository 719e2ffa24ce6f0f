# The two private Redis servers: product-redis and order-redis. They are caches: nothing is kept on disk.

REDIS_START_LIMIT_S=20
REDIS_STOP_LIMIT_S=10

redis_ports() {
    echo "$1"
}

redis_start() {
    dirs_user redis
    dirs_server "$1" "$RET_USER"
    redis_write_conf "$1" "$RET_DIR"
    PROCESS_ENV=()
    process_start "$1" "$RET_USER" redis-server "$RET_DIR/redis.conf"
}

redis_write_conf() {
    settings_port "$1"
    cat > "$2/redis.conf" <<END
# Written by ./prodorder at every start.
bind 127.0.0.1
port $RET_PORT
protected-mode yes
daemonize no
dir $2
logfile ""
set-proc-title yes
proc-title-template "{title} {listen-addr} $1"

save ""
appendonly no
maxmemory 256mb
maxmemory-policy allkeys-lru
END
    [ -z "$RET_USER" ] || chown "$RET_USER:" "$2/redis.conf"
}

redis_ready() {
    local answer=
    settings_port "$1"
    {
        exec {RET_FD}<> "/dev/tcp/127.0.0.1/$RET_PORT" || return 1
        printf 'PING\r\n' >&"$RET_FD"
        read -r -t 2 answer <&"$RET_FD" || true
        exec {RET_FD}>&-
    } 2> /dev/null
    [[ $answer == +PONG* ]]
}

redis_after_start() {
    :
}

redis_stop() {
    process_stop "$1" TERM "$REDIS_STOP_LIMIT_S"
}

redis_env() {
    settings_port "$1"
    printf '%s\n' REDIS_HOST=127.0.0.1 "REDIS_PORT=$RET_PORT"
}
