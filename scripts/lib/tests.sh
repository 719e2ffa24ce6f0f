# ./prodorder test: the suites, and the isolated second stack that some of them need.

TESTS_DEFAULT=(unit control gateway flow)
TESTS_ALL=(unit control gateway flow fault e2e)
declare -A TESTS_ABOUT=(
    [unit]="the C unit tests"
    [control]="this script, configure.sh, k6-profile and the containers' scripts"
    [gateway]="the nginx module with mock upstreams, the contracts, the schema engine, linters"
    [flow]="the whole stack"
    [fault]="everything is killed, between any two steps of an order  (long)"
    [e2e]="the commands of README.md and docs/, the Postman collection, the docs page in a browser  (long)"
)
TESTS_OFFSET_FIRST=10100

tests_run() {
    local suites=("$@") plain=() stacked=() one
    tests_available
    for one; do
        case " ${RET_SUITES[*]} all " in
        *" $one "*) [ "$one" != all ] || suites=("${RET_SUITES[@]}") ;;
        *) usage_error "there is no test suite '$one'" "Suites: ${RET_SUITES[*]} all" ;;
        esac
    done
    [ $# -gt 0 ] || suites=("${TESTS_DEFAULT[@]}")
    for one in "${suites[@]}"; do
        case $one in
        unit | control | gateway) plain+=("$one") ;;
        *) ! tests_exist "$one" || stacked+=("$one") ;;
        esac
    done
    tests_prepare
    tests_suites "${#plain[@]}" ${plain[@]+"${plain[@]}"} ${stacked[@]+"${stacked[@]}"}
}

# tests_available: the suites that have tests (sets RET_SUITES).
tests_available() {
    local one
    RET_SUITES=()
    for one in "${TESTS_ALL[@]}"; do
        ! tests_exist "$one" || RET_SUITES+=("$one")
    done
}

tests_exist() {
    case $1 in
    unit) [ -n "$(find "$ROOT/t/unit" -name 'test_*.c' -print -quit)" ] ;;
    e2e) compgen -G "$ROOT/t/docs/*.t" || compgen -G "$ROOT/t/e2e/*.t" || compgen -G "$ROOT/t/browser/*.t" ;;
    *) compgen -G "$ROOT/t/$1/*.t" ;;
    esac > /dev/null
}

tests_prepare() {
    cd "$ROOT"
    dirs_prepare
    exec {TESTS_LOCK}> "$STACK_HOME/test.lock"
    flock -n "$TESTS_LOCK" || die "another ./prodorder test is running in $STACK_HOME" \
        "Wait for it, or use another PRODORDER_HOME."
    build_require_programs
    build_make all unit
    TESTS_TOTALS=$(mktemp)
    TESTS_HOME=$STACK_HOME/test
    trap tests_end EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

# tests_suites N SUITE...: the first N need no stack.
tests_suites() {
    local plain=$1 passed failed stack_failed=0
    shift
    export PRODORDER_BUILD=$STACK_BUILD
    [ "$plain" -eq 0 ] || tests_harness "${@:1:plain}"
    if [ $# -gt "$plain" ]; then
        if tests_stack_up; then
            tests_harness "${@:plain+1}"
            tests_stack_down
            tests_harness logs
        else
            stack_failed=1
        fi
    fi
    read -r passed failed < "$TESTS_TOTALS" || { passed=0 failed=0; }
    failed=$((failed + stack_failed))
    if [ "$failed" -gt 0 ] && [ -d "$TESTS_HOME/log" ]; then
        ui_say "logs of the test stack: $TESTS_HOME/log"
    elif [ -z "${PRODORDER_TEST_KEEP:-}" ]; then
        PRODORDER_HOME=$TESTS_HOME "$ROOT/prodorder" clean > /dev/null
    fi
    ui_say "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

tests_harness() {
    "$ROOT/scripts/run-tests" --totals "$TESTS_TOTALS" "$@" || true
}

# A fresh stack in PRODORDER_HOME/test, on ports that are free.
tests_stack_up() {
    RET_OFFSET=${PRODORDER_TEST_PORT_OFFSET:-}
    [ -n "$RET_OFFSET" ] || ports_free_offset "$TESTS_OFFSET_FIRST" ||
        die "no free ports for a test stack" "Choose them: PRODORDER_TEST_PORT_OFFSET=2000 ./prodorder test"
    export PRODORDER_HOME=$TESTS_HOME PRODORDER_PORT_OFFSET=$RET_OFFSET PRODORDER_LISTEN=127.0.0.1
    "$ROOT/prodorder" clean > /dev/null || return 1
    TESTS_STACK=up
    ui_say "== test stack in $TESTS_HOME, ports +$RET_OFFSET =="
    "$ROOT/prodorder" up > "$STACK_HOME/test-up.log" 2>&1 || {
        cat "$STACK_HOME/test-up.log"
        return 1
    }
    STACK_OFFSET=$PRODORDER_PORT_OFFSET STACK_LISTEN=$PRODORDER_LISTEN
    PRODORDER_TEST_GATEWAY_URL=$(settings_url gateway)
    PRODORDER_TEST_PRODUCT_URL=$(settings_url product-service)
    PRODORDER_TEST_ORDER_URL=$(settings_url order-service)
    export PRODORDER_TEST_GATEWAY_URL PRODORDER_TEST_PRODUCT_URL PRODORDER_TEST_ORDER_URL
}

tests_stack_down() {
    [ -n "${TESTS_STACK:-}" ] || return 0
    if [ -n "${PRODORDER_TEST_KEEP:-}" ]; then
        ui_say "the test stack keeps running: PRODORDER_HOME=$TESTS_HOME ./prodorder down"
    else
        "$ROOT/prodorder" down > /dev/null || true
    fi
    TESTS_STACK=
}

# What an earlier test run left, unless one is running now.
tests_clean() {
    local lock
    [ -e "$STACK_HOME/test/$STACK_MARKER" ] || return 0
    exec {lock}> "$STACK_HOME/test.lock"
    ! flock -n "$lock" || PRODORDER_HOME=$STACK_HOME/test "$ROOT/prodorder" clean > /dev/null
    exec {lock}>&-
}

tests_end() {
    tests_stack_down
    rm -f "$TESTS_TOTALS"
}
