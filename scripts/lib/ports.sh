# Ports: is one taken, and by whom. Read from /proc, because ss and lsof are not everywhere.

# ports_busy PORT: does something listen on it, on any address? Sets RET_INODE when /proc tells.
ports_busy() {
    local hex line
    hex=$(printf '%04X' "$1")
    RET_INODE=
    line=$(grep -hE "^ *[0-9]+: [0-9A-F]+:$hex [0-9A-F]+:0000 0A " /proc/net/tcp /proc/net/tcp6 2> /dev/null |
        head -n 1) || true
    if [ -n "$line" ]; then
        read -r _ _ _ _ _ _ _ _ _ RET_INODE _ <<< "$line"
        return 0
    fi
    (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null
}

# ports_holder: who owns the socket RET_INODE, as "nginx (pid 12, user x)"; empty when we may not know.
ports_holder() {
    local fd pid
    [ -n "$RET_INODE" ] || return 0
    for fd in /proc/[0-9]*/fd/*; do
        [ "$(readlink "$fd" 2> /dev/null)" = "socket:[$RET_INODE]" ] || continue
        pid=${fd#/proc/}
        pid=${pid%%/*}
        echo "$(< "/proc/$pid/comm") (pid $pid, user $(stat -c %U "/proc/$pid"))"
        return 0
    done
}

# ports_require NAME...: fail when a port that NAME needs is taken, and stays so: a process that was
# just killed keeps its sockets until the last of its threads has ended, a moment after its first.
ports_require() {
    local name holder tries
    for name; do
        settings_port "$name"
        for ((tries = 0; tries < 20; tries++)); do
            ports_busy "$RET_PORT" || continue 2
            sleep 0.1
        done
        holder=$(ports_holder)
        die "port $RET_PORT, needed for $name, is in use by ${holder:-a process of another user}" \
            "Stop that process, or move all ports of this stack: PRODORDER_PORT_OFFSET=1000 ./prodorder up"
    done
}

# ports_ephemeral: where the kernel takes the ports of outgoing connections from (sets RET_FROM, RET_TO).
ports_ephemeral() {
    RET_FROM=32768 RET_TO=60999
    [ ! -r /proc/sys/net/ipv4/ip_local_port_range ] ||
        read -r RET_FROM RET_TO < /proc/sys/net/ipv4/ip_local_port_range
}

# ports_warn_ephemeral: when it is the offset that puts ports there, any program may have one of them just
# when we want to listen on it.
ports_warn_ephemeral() {
    local name base top=0 moved=()
    ports_ephemeral
    for name in "${!SETTINGS_PORTS[@]}"; do
        base=${SETTINGS_PORTS[$name]}
        [ "$base" -lt "$RET_FROM" ] || continue
        [ "$base" -lt "$top" ] || top=$base
        settings_port "$name"
        [ "$RET_PORT" -lt "$RET_FROM" ] || [ "$RET_PORT" -gt "$RET_TO" ] || moved+=("$RET_PORT ($name)")
    done
    [ ${#moved[@]} -gt 0 ] || return 0
    [ ${#moved[@]} -eq 1 ] || moved[0]+=" and $((${#moved[@]} - 1)) more"
    ui_warn "PRODORDER_PORT_OFFSET=$STACK_OFFSET puts port ${moved[0]} where outgoing connections take theirs" \
        "($RET_FROM-$RET_TO): it may be in use when it is needed. Offsets below $((RET_FROM - top)) avoid that."
}

# ports_free_offset FIRST: the first port offset from FIRST on, in steps of 50, where every port is
# free (sets RET_OFFSET). Ports stay below 32768, where outgoing connections begin.
ports_free_offset() {
    local offset name busy
    for ((offset = $1; offset + 15674 < 32768; offset += 50)); do
        busy=
        for name in "${!SETTINGS_PORTS[@]}"; do
            if ports_busy $((${SETTINGS_PORTS[$name]} + offset)); then
                busy=yes
                break
            fi
        done
        if [ -z "$busy" ]; then
            RET_OFFSET=$offset
            return 0
        fi
    done
    return 1
}
