# From a fresh checkout to programs that can be started: packages, configuration, make.

# build_require_programs: what running needs; installs it when it is missing.
build_require_programs() {
    if packages_have program redis-server && packages_have program rabbitmq-server &&
        packages_have program nginx && packages_have postgres initdb && packages_have program psql &&
        packages_have program curl && packages_have program jq && packages_have program make &&
        [ -f "$STACK_BUILD/config.mk" ]; then
        return 0
    fi
    if [ "$STACK_BUILD" != "$ROOT/build" ] && [ ! -f "$STACK_BUILD/config.mk" ]; then
        die "PRODORDER_BUILD $STACK_BUILD has not been configured" \
            "Sanitizers: make asan. Else: ./configure.sh --build-dir=$(build_dir) [OPTIONS]"
    fi
    ui_say "checking this machine"
    "$ROOT/configure.sh" --quiet "--build-dir=$(build_dir)" 2> /dev/null ||
        "$ROOT/configure.sh" --install-deps "--build-dir=$(build_dir)" ||
        die "this machine is not ready for prodorder (see above)"
    hash -r
}

# build_make TARGET...: the last line that make prints is shown while it runs, all of it is in the log.
build_make() {
    local begin_ms log=$STACK_HOME/log/build.log
    ui_now_ms
    begin_ms=$RET_MS
    if ! make -C "$ROOT" -j"$(nproc)" --no-print-directory BUILD="$(build_dir)" "$@" 2>&1 |
        tee "$log" | ui_follow build; then
        ui_bad build failed
        ui_error "make failed; the end of $log:"
        {
            tail -n 25 "$log" | sed 's/^/    /'
            echo "  To try: make, for the whole output; ./configure.sh, to check the machine."
        } >&2
        exit 1
    fi
    ui_now_ms
    if grep -q '^  [A-Z]' "$log"; then
        ui_good build "done in $(ui_seconds $((RET_MS - begin_ms)))"
    else
        ui_good build "up to date"
    fi
}

# As make wants it: relative to the repository where it is inside it.
build_dir() {
    printf '%s' "${STACK_BUILD#"$ROOT"/}"
}
