# What can be said of the container files without building them. Each quick_PIECE prints a line for each
# mistake and fails when there is one, or returns 77 after saying what it lacks.

QUICK_PIECES=(compose dockerfiles settings shell)
QUICK_SKIPPED=77

quick_run() {
    local piece status failed='' pieces=("$@")
    [ $# -gt 0 ] || pieces=("${QUICK_PIECES[@]}")
    for piece in "${pieces[@]}"; do
        status=0
        "quick_$piece" || status=$?
        case $status in
        0) ui_good "$piece" good ;;
        "$QUICK_SKIPPED")
            [ ${#pieces[@]} -gt 1 ] || exit "$QUICK_SKIPPED"
            ;;
        *)
            ui_bad "$piece" "mistakes (above)"
            failed=yes
            ;;
        esac
    done
    [ -z "$failed" ]
}

quick_skip() {
    ui_step "$1" "skipped: $2"
    return "$QUICK_SKIPPED"
}

# quick_npm PIECE: the linters of t/lint are there.
quick_npm() {
    local why
    why=$(perl -It/lib -MProdorder::Npm -e 'print Prodorder::Npm::missing("t/lint") // ""')
    [ -z "$why" ] || quick_skip "$1" "$why"
}

# quick_config ENV_FILE: docker-compose's own reading of the file. Nothing of the caller's environment counts.
quick_config() {
    env -i "PATH=$PATH" "HOME=${HOME:-/}" docker-compose --project-directory "$root" -f "$root/docker-compose.yml" \
        --env-file "$1" --profile load config
}

quick_compose() {
    local dir failed=''
    command -v docker-compose > /dev/null ||
        { quick_skip compose "docker-compose is missing (./configure.sh --install-test-deps)"; return; }
    [[ $(docker-compose version --short) = 1.29.* ]] || {
        quick_skip compose "docker-compose is not 1.29: what other versions print is not read"
        return
    }
    quick_npm compose || return
    dir=$(mktemp -d)
    quick_compose_plain "$dir" && quick_compose_copies "$dir" && quick_compose_schema || failed=yes
    rm -rf "$dir"
    [ -z "$failed" ]
}

# With no settings it is what the contract says, and with those of .env.example the same.
quick_compose_plain() {
    local plain listed
    : > "$1/nothing"
    plain=$(quick_config "$1/nothing" 2>&1) || { echo "docker-compose refuses docker-compose.yml: $plain"; return 1; }
    node t/lint/compose.mjs "$root" <<< "$plain" || return 1
    listed=$(quick_config "$root/.env.example" 2>&1) ||
        { echo "docker-compose refuses docker-compose.yml with .env.example: $listed"; return 1; }
    [ "$plain" = "$listed" ] || {
        echo "docker-compose.yml differs with .env.example:"
        diff <(echo "$plain") <(echo "$listed") || true
        return 1
    }
}

# docker-compose 1.29 has the schema of its time; Docker Compose v2 has the present one.
quick_compose_schema() {
    NO_COLOR=1 node t/lint/node_modules/dclint/bin/dclint.cjs --config t/lint/dclint.json --max-warnings 0 \
        "$root/docker-compose.yml"
}

# Copies of the examples, named by settings: what was changed in them counts, unless compose decides it.
quick_compose_copies() {
    local name example config failed=''
    for name in product order gateway; do
        example=services/$name/.env.example
        [ "$name" != gateway ] || example=docker/api-gateway/.env.example
        sed -e 's/^\(LOG_LEVEL\)=.*/\1=debug/; s/^\(RESOLVE_INTERVAL_S\)=.*/\1=7/; s/^\(DB_HOST\)=.*/\1=elsewhere/' \
            "$root/$example" > "$1/$name.env"
        echo "${name^^}_ENV_FILE=$1/$name.env"
    done > "$1/settings"
    config=$(quick_config "$1/settings" 2>&1) ||
        { echo "docker-compose refuses docker-compose.yml with copied examples: $config"; return 1; }
    [ "$(grep -c 'LOG_LEVEL: debug' <<< "$config")" = 2 ] && grep -q "RESOLVE_INTERVAL_S: '7'" <<< "$config" ||
        { echo "docker-compose.yml: what a copied example changes does not count"; failed=yes; }
    ! grep -q elsewhere <<< "$config" || { echo "docker-compose.yml: DB_HOST must be under environment"; failed=yes; }
    [ -z "$failed" ]
}

quick_dockerfiles() {
    quick_npm dockerfiles || return
    node t/lint/dockerfiles.mjs "$root"
}

quick_settings() {
    local failed='' name build=${PRODORDER_BUILD:-build}
    for name in product order; do
        [ -x "$build/$name-service" ] || { quick_skip settings "$build/$name-service is missing (make)"; return; }
        quick_same "services/$name/.env.example" "$build/$name-service" || failed=yes
    done
    quick_same docker/api-gateway/.env.example "$root/docker/api-gateway/entrypoint" || failed=yes
    [ -z "$failed" ]
}

# quick_same FILE PROGRAM: FILE is what PROGRAM prints.
quick_same() {
    local difference
    difference=$(diff "$root/$1" <("$2" --print-env-example)) || {
        echo "$1 is not what $(basename "$2") --print-env-example prints:"
        echo "$difference"
        return 1
    }
}

quick_shell() {
    command -v shellcheck > /dev/null ||
        { quick_skip shell "shellcheck is missing (./configure.sh --install-test-deps)"; return; }
    (cd "$root" && shellcheck --severity=warning -x -P docker/api-gateway:docker/services:docker -P . \
        docker/health docker/services/load-catalogue docker/api-gateway/{entrypoint,watch-names})
}
