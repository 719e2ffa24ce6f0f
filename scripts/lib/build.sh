# From a fresh checkout to programs that can be started: packages, configuration, make.

# build_require_programs: what running needs; installs it when it is missing.
build_require_programs() {
    if packages_have program redis-server && packages_have program rabbitmq-server &&
        packages_have program nginx && packages_have postgres initdb && packages_have program psql &&
        packages_have program curl && packages_have program jq && packages_have program make &&
        [ -f "$STACK_BUILD/config.mk" ]; then
        return 0
    fi
    ui_say "checking this machine"
    "$ROOT/configure.sh" --quiet 2> /dev/null || "$ROOT/configure.sh" --install-deps ||
        die "this machine is not ready for prodorder (see above)"
    hash -r
}

# build_make TARGET...: quiet when there is nothing to do.
build_make() {
    local begin_ms log=$STACK_HOME/log/build.log
    ui_now_ms
    begin_ms=$RET_MS
    if make -C "$ROOT" -q BUILD="$(build_dir)" "$@" > /dev/null 2>&1; then
        ui_good build "up to date"
        return 0
    fi
    ui_step build "make $* (log: $log)"
    if ! make -C "$ROOT" -j"$(nproc)" BUILD="$(build_dir)" "$@" > "$log" 2>&1; then
        ui_bad build failed
        stack_explain_build "$log"
        exit 1
    fi
    ui_now_ms
    ui_good build "done in $(ui_seconds $((RET_MS - begin_ms)))"
}

stack_explain_build() {
    {
        ui_error "make failed; the end of $1:"
        tail -n 25 "$1" | sed 's/^/    /'
        echo "  To try: make, for the whole output; ./configure.sh, to check the machine."
    } >&2
}

# As make wants it: relative to the repository where it is inside it.
build_dir() {
    printf '%s' "${STACK_BUILD#"$ROOT"/}"
}
