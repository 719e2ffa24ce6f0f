# Processes: started detached, found again through run/NAME.pid, stopped by a signal and a limit.
#
# A pid file holds the pid and the time at which that process started (clock ticks since boot, field
# 22 of /proc/PID/stat), so that a recycled pid is never taken for ours.

# Descriptors are a soft limit that servers size tables by: enough for 10,000s of connections.
PROCESS_FILES_MAX=65536

# process_start NAME USER COMMAND...: as USER (empty: the caller), with PROCESS_ENV (KEY=VALUE...) in
# its environment, its output appended to log/NAME.log. It inherits no descriptor of ours.
process_start() {
    local name=$1 user=$2 log=$STACK_HOME/log/$1.log runner=() pid
    shift 2
    process_rotate_log "$log"
    [ -z "$user" ] || runner=(setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups)
    (
        exec < /dev/null >> "$log" 2>&1
        process_close_descriptors
        process_raise_limit
        cd /
        [ ${#PROCESS_ENV[@]} -eq 0 ] || export "${PROCESS_ENV[@]}"
        exec setsid ${runner[@]+"${runner[@]}"} "$@"
    ) &
    pid=$!
    process_started_at "$pid" || RET_STARTED=0
    printf '%s %s\n' "$pid" "$RET_STARTED" > "$STACK_HOME/run/$name.pid"
}

process_close_descriptors() {
    local fd
    for fd in /proc/self/fd/*; do
        fd=${fd##*/}
        [ "$fd" -le 2 ] || eval "exec $fd>&-" 2> /dev/null || true
    done
}

process_raise_limit() {
    local hard
    hard=$(ulimit -Hn)
    if [ "$hard" = unlimited ] || [ "$hard" -gt "$PROCESS_FILES_MAX" ]; then
        hard=$PROCESS_FILES_MAX
    fi
    ulimit -Sn "$hard"
}

# Keep one earlier log once it has grown beyond 64 MiB; only at start, nothing has it open then.
process_rotate_log() {
    [ -f "$1" ] || return 0
    [ "$(stat -c %s "$1")" -lt $((64 * 1024 * 1024)) ] || mv -f "$1" "$1.1"
}

# process_started_at PID: sets RET_STARTED; fails when there is no such process or it is a zombie.
process_started_at() {
    local stat='' fields
    { read -r -d '' stat < "/proc/$1/stat" || [ -n "$stat" ]; } 2> /dev/null || return 1
    read -r -a fields <<< "${stat##*) }"
    [ "${fields[0]}" != Z ] && [ "${fields[0]}" != X ] || return 1
    RET_STARTED=${fields[19]}
}

# process_pid NAME: sets RET_PID; fails when it does not run.
process_pid() {
    local pid started file=$STACK_HOME/run/$1.pid
    [ -f "$file" ] || return 1
    read -r pid started < "$file" || return 1
    process_started_at "$pid" && [ "$RET_STARTED" = "$started" ] || return 1
    RET_PID=$pid
}

process_any_alive() {
    local file
    for file in "$STACK_HOME"/run/*.pid; do
        [ -e "$file" ] || continue
        file=${file##*/}
        ! process_pid "${file%.pid}" || return 0
    done
    return 1
}

# process_stop NAME SIGNAL LIMIT_S: returns when it is gone; kills it when it is not gone in time.
process_stop() {
    local name=$1 signal=$2 limit_s=$3 pid begin_ms
    process_pid "$name" || { rm -f "$STACK_HOME/run/$name.pid"; return 0; }
    pid=$RET_PID
    process_signal "$name" "$pid" "$signal"
    ui_now_ms
    begin_ms=$RET_MS
    while process_pid "$name"; do
        ui_now_ms
        if [ $((RET_MS - begin_ms)) -gt $((limit_s * 1000)) ]; then
            ui_warn "$name (pid $pid) did not stop within $limit_s s of SIG$signal: killing it"
            process_signal "$name" "$pid" KILL
            sleep 0.2
            break
        fi
        sleep 0.05
    done
    rm -f "$STACK_HOME/run/$name.pid"
}

process_signal() {
    kill -s "$3" "$2" 2> /dev/null || [ ! -e "/proc/$2" ] ||
        die "may not stop $1 (pid $2): it belongs to user $(stat -c %U "/proc/$2")" \
            "Run this command as the user who ran ./prodorder up."
}

# process_tree PID: its pid and those of all that it started (sets RET_PIDS).
process_tree() {
    # A process may end between the listing and the reading: cat complains, the rest is read.
    RET_PIDS=$({ cat /proc/[0-9]*/stat 2> /dev/null || true; } | awk -v top="$1" '
        { pid = $1; sub(/^.*\) /, ""); split($0, f, " "); parent[pid] = f[2] }
        END {
            for (pid in parent)
                for (p = pid; p in parent; p = parent[p])
                    if (p == top) { print pid; break }
        }')
}

# process_memory PID: MiB used by it and its children, shared pages counted once (sets RET_MIB).
process_memory() {
    local pid kib=0 one
    process_tree "$1"
    for pid in $RET_PIDS; do
        one=$(awk '/^Pss:/ { print $2 }' "/proc/$pid/smaps_rollup" 2> /dev/null) || one=
        [ -n "$one" ] || one=$(awk '/^VmRSS:/ { print $2 }' "/proc/$pid/status" 2> /dev/null) || one=
        kib=$((kib + ${one:-0}))
    done
    RET_MIB=$((kib / 1024))
}

# process_uptime PID: seconds since it started (sets RET_UPTIME_S).
process_uptime() {
    ui_now_ms
    process_started_at "$1" || return 1
    RET_UPTIME_S=$((RET_MS / 1000 - RET_STARTED / $(getconf CLK_TCK)))
}
