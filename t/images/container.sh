# Containers of the images, with what util-linux has: no engine, no runtime, the machine's network.
#
# What an engine takes from the image is taken from there: user, environment, entrypoint, health check and
# stop signal.

declare -A CONTAINER_ROOT CONTAINER_OUTER CONTAINER_PID CONTAINER_ENV CONTAINER_CONFIG
CONTAINER_STOP_LIMIT_MS=10000
CONTAINER_UP_LIMIT_MS=5000

# container_make NAME: a container of the image NAME, not started.
container_make() {
    local container
    container=$(build_buildah from --pull-never "localhost/prodorder/$1")
    CONTAINER_ROOT[$1]=$(build_buildah mount "$container")
    CONTAINER_CONFIG[$1]=$(build_buildah inspect --type image "localhost/prodorder/$1" | jq -c .Docker.config)
    printf '127.0.0.1 localhost\n' > "$WORK/$1.hosts"
}

# container_of NAME JQ: a part of the image's configuration, one line for each item.
container_of() {
    jq -r "$2" <<< "${CONTAINER_CONFIG[$1]}"
}

# container_run NAME COMMAND...: run to its end, in the image's environment and that of container_start;
# prints what it prints, returns its status.
container_run() {
    local name=$1 user env
    shift
    user=$(container_of "$name" .User)
    mapfile -t env < <(container_of "$name" '.Env[]'; printf '%s' "${CONTAINER_ENV[$name]:-}")
    unshare --mount --pid --fork --kill-child t/images/enter.sh "${CONTAINER_ROOT[$name]}" "$WORK/$name.hosts" \
        "${user%:*}" "${user#*:}" "${env[@]}" "$@" 2>&1 < /dev/null
}

# container_start NAME [VARIABLE=VALUE...]: its entrypoint in the background; its output goes to WORK/NAME.out.
container_start() {
    local name=$1 user out=$WORK/$1.out entrypoint
    shift
    CONTAINER_ENV[$name]=$(printf '%s\n' "$@")
    mapfile -t entrypoint < <(container_of "$name" '.Entrypoint[]')
    user=$(container_of "$name" .User)
    # An engine's pipes belong to the container's user, too.
    : > "$out"
    chown "$user" "$out"
    container_run "$name" "${entrypoint[@]}" > "$out" &
    CONTAINER_OUTER[$name]=$!
    container_find "$name"
}

# container_find NAME: the process that is 1 in there, once it is what the image says.
container_find() {
    local begin_ms pid
    ui_now_ms
    begin_ms=$RET_MS
    CONTAINER_PID[$1]=
    while true; do
        for pid in $(container_descendants "${CONTAINER_OUTER[$1]}"); do
            [[ $(sed -n 's/^NSpid:.*\t//p' "/proc/$pid/status" 2> /dev/null) = 1 ]] || continue
            [[ $(tr '\0' ' ' < "/proc/$pid/cmdline") != *enter.sh* ]] || continue
            CONTAINER_PID[$1]=$pid
            return
        done
        ui_now_ms
        [ $((RET_MS - begin_ms)) -lt $CONTAINER_UP_LIMIT_MS ] ||
            die "images: $1 did not start" "$(cat "$WORK/$1.out")"
        sleep 0.05
    done
}

container_descendants() {
    local child
    for child in $(cat "/proc/$1/task/$1/children" 2> /dev/null); do
        echo "$child"
        container_descendants "$child"
    done
}

# container_exec NAME COMMAND...: in the running container, as its user.
container_exec() {
    local name=$1 user env
    shift
    user=$(container_of "$name" .User)
    mapfile -t env < <(container_of "$name" '.Env[]'; printf '%s' "${CONTAINER_ENV[$name]}")
    nsenter --target "${CONTAINER_PID[$name]}" --mount --pid --root setpriv --reuid "${user%:*}" \
        --regid "${user#*:}" --clear-groups --no-new-privs env -i -C / "${env[@]}" "$@" 2>&1
}

# container_health NAME: the image's HEALTHCHECK, in the time that it gives.
container_health() {
    local test limit_s
    mapfile -t test < <(container_of "$1" '.Healthcheck.Test[1:][]')
    limit_s=$(($(container_of "$1" .Healthcheck.Timeout) / 1000000000))
    container_exec "$1" timeout "$limit_s" "${test[@]}"
}

# container_stop NAME: by the image's stop signal; sets RET_STATUS and RET_MS, how long it took.
container_stop() {
    local begin_ms status=0
    ui_now_ms
    begin_ms=$RET_MS
    kill -s "$(container_of "$1" .StopSignal)" "${CONTAINER_PID[$1]}"
    while kill -0 "${CONTAINER_OUTER[$1]}" 2> /dev/null; do
        ui_now_ms
        [ $((RET_MS - begin_ms)) -lt $((2 * CONTAINER_STOP_LIMIT_MS)) ] || break
        sleep 0.02
    done
    ui_now_ms
    RET_MS=$((RET_MS - begin_ms))
    [ "$RET_MS" -lt $((2 * CONTAINER_STOP_LIMIT_MS)) ] || container_kill "$1"
    wait "${CONTAINER_OUTER[$1]}" || status=$?
    RET_STATUS=$status
    unset "CONTAINER_OUTER[$1]"
}

container_kill() {
    kill -KILL "${CONTAINER_PID[$1]}" 2> /dev/null || true
}

container_end_all() {
    local name
    for name in "${!CONTAINER_OUTER[@]}"; do
        [ -z "${CONTAINER_PID[$name]:-}" ] || container_kill "$name"
        wait "${CONTAINER_OUTER[$name]}" 2> /dev/null || true
    done
}
