# Processes: started detached, found again through run/NAME.pid, stopped by a signal and a limit.
#
# A pid file holds the pid and the time at which that process started (clock ticks since boot, field
# 22 of /proc/PID/stat), so that a recycled pid is never taken for ours; and, once it was ready, its
# executable. Each process leads a session and a process group of its own, so that its children are
# found when it has been killed.

# Descriptors are a soft limit that servers size tables by: enough for 10,000s of connections.
PROCESS_FILES_MAX=65536

# How long the children of a killed process may take to end before they are killed too.
PROCESS_REMAINS_LIMIT_S=5

# process_start NAME USER COMMAND...: as USER (empty: the caller), with PROCESS_ENV (KEY=VALUE...) in
# its environment, its output appended to log/NAME.log, its standard error to log/PROCESS_ERRORS.log when
# that is set. It inherits no descriptor of ours.
process_start() {
    local name=$1 user=$2 log=$STACK_HOME/log/$1.log errors runner=() pid
    shift 2
    errors=$STACK_HOME/log/${PROCESS_ERRORS:-$name}.log
    process_rotate_log "$log"
    process_rotate_log "$errors"
    process_note_log "$name"
    process_note_log "${PROCESS_ERRORS:-$name}"
    [ -z "$user" ] || runner=(setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups)
    (
        exec < /dev/null >> "$log" 2>> "$errors"
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

# process_note_log NAME: where the log of the start that follows begins. process_log_of_start NAME: that log.
process_note_log() {
    stat -c %s "$STACK_HOME/log/$1.log" > "$STACK_HOME/run/$1.log-begin" 2> /dev/null ||
        echo 0 > "$STACK_HOME/run/$1.log-begin"
}

process_log_of_start() {
    local begin=0
    [ -f "$STACK_HOME/log/$1.log" ] || return 0
    read -r begin 2> /dev/null < "$STACK_HOME/run/$1.log-begin" || begin=0
    tail -c "+$((begin + 1))" "$STACK_HOME/log/$1.log"
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
    local pid started _ file=$STACK_HOME/run/$1.pid
    [ -f "$file" ] || return 1
    read -r pid started _ < "$file" || return 1
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

# process_keep_program NAME: it is ready, so what it runs now is what it will be known by.
process_keep_program() {
    local pid started program file=$STACK_HOME/run/$1.pid
    read -r pid started program < "$file" || return 0
    [ -z "$program" ] && program=$(readlink "/proc/$pid/exe") || return 0
    printf '%s %s %s\n' "$pid" "$started" "$program" > "$file.new"
    mv -f "$file.new" "$file"
}

# process_remains NAME: what is left of its process group when it has been killed, nginx's workers for
# instance (sets RET_PIDS); fails when nothing is, or when it runs.
#
# As long as such a process exists, the kernel gives its group's number to no other process. Beyond
# that, a process is only taken for ours when it did not start before the one in the pid file, and
# runs the same executable.
process_remains() {
    local pid started program one exe left=() file=$STACK_HOME/run/$1.pid
    [ -f "$file" ] && read -r pid started program < "$file" && [ -n "$program" ] || return 1
    ! process_started_at "$pid" || return 1
    process_group "$pid" "$started"
    for one in $RET_PIDS; do
        exe=$(readlink "/proc/$one/exe" 2> /dev/null) || continue
        [ "${exe% (deleted)}" != "${program% (deleted)}" ] || left+=("$one")
    done
    RET_PIDS=${left[*]-}
    [ -n "$RET_PIDS" ]
}

# process_group PID STARTED: who is in the group and session that PID led and does not lead any more,
# and started at STARTED or later (sets RET_PIDS). Nobody, when PID is now another process.
process_group() {
    RET_PIDS=$({ cat /proc/[0-9]*/stat 2> /dev/null || true; } | awk -v leader="$1" -v started="$2" '
        {
            pid = $1; sub(/^.*\) /, ""); split($0, f, " ")
            if (pid == leader && f[20] != started) recycled = 1
            if (pid != leader && f[1] !~ /[ZX]/ && f[3] == leader && f[4] == leader && f[20] >= started + 0)
                members[pid]
        }
        END { if (!recycled) for (pid in members) print pid }')
}

# process_end_remains NAME: end what is left of its group: TERM, KILL after the limit, and no more
# than a warning when the kernel does not end it after as long again.
process_end_remains() {
    local name=$1 begin_ms signal=TERM one
    ui_now_ms
    begin_ms=$RET_MS
    while process_remains "$name"; do
        for one in $RET_PIDS; do
            process_signal "$name" "$one" "$signal"
        done
        ui_now_ms
        [ $((RET_MS - begin_ms)) -lt $((PROCESS_REMAINS_LIMIT_S * 1000)) ] || signal=KILL
        if [ $((RET_MS - begin_ms)) -ge $((PROCESS_REMAINS_LIMIT_S * 2000)) ]; then
            ui_warn "$name: what is left of it does not end: pid $RET_PIDS"
            return 0
        fi
        sleep 0.1
    done
}

# process_stop NAME SIGNAL LIMIT_S: returns when it, and what it left behind, is gone; kills it when it
# is not gone in time.
process_stop() {
    local name=$1
    ! process_pid "$name" || process_stop_leader "$@"
    process_end_remains "$name"
    rm -f "$STACK_HOME/run/$name.pid"
}

process_stop_leader() {
    local name=$1 signal=$2 limit_s=$3 pid=$RET_PID begin_ms
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
