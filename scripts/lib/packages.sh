# What the machine must have, how to see whether it is there, and how to install it on Debian.

SERVICE_MODULES=(libpq hiredis librabbitmq json-c)
OPENAPI_MODULES=(libpcre2-8)

# What one part of the build needs of the list below, as kind/what: for ./configure.sh --only=PART.
declare -A PACKAGES_OF_PART=(
    [services]='program/gcc program/make program/pkg-config program/jq
        module/libpq module/hiredis module/librabbitmq module/json-c'
    [gateway]='program/gcc program/make program/pkg-config module/libpcre2-8 module/openssl module/zlib'
    [docs]='program/jq optional/npm file//etc/ssl/certs/ca-certificates.crt'
)

# One requirement a line: kind, what is looked for, Debian packages, what it is for.
# Kinds: program (in PATH or /usr/sbin), module (pkg-config), perl, postgres (a server program
# that Debian keeps out of PATH), file, optional (a program that something can do without), and testing
# (a program that only some tests need, not installed unasked).
packages_requirements() {
    cat <<'END'
program  gcc              gcc,libc6-dev      compiling
program  make             make               building
program  pkg-config       pkg-config         finding libraries
program  curl             curl               requests to the services
program  jq               jq                 reading and writing JSON in scripts
program  ps               procps             looking at processes
program  flock            util-linux         one ./prodorder at a time
program  setpriv          util-linux         running servers under their own users
program  prove            perl               running the tests
program  nginx            nginx              the gateway
program  redis-server     redis-server       the caches
program  redis-cli        redis-tools        ./prodorder redis
program  rabbitmq-server  rabbitmq-server    the broker
postgres initdb           postgresql         the databases
program  psql             postgresql-client  ./prodorder psql
module   libpq            libpq-dev          PostgreSQL client library
module   hiredis          libhiredis-dev     Redis client library
module   librabbitmq      librabbitmq-dev    RabbitMQ client library
module   json-c           libjson-c-dev      JSON
module   libpcre2-8       libpcre2-dev       regular expressions in schemas
module   openssl          libssl-dev         nginx's headers need it
module   zlib             zlib1g-dev         nginx's headers need it
module   check            check              unit tests
perl     Test::Base       libtest-base-perl  gateway tests
perl     Test::More       perl               tests
program  openssl          openssl            certificates for tests over TLS
file     /etc/ssl/certs/ca-certificates.crt ca-certificates downloads over TLS
optional wrk              wrk                ./prodorder bench
optional npm              npm                the page at /docs/ on which requests can be tried
testing  chromium         chromium           the browser test of that page
testing  docker-compose   docker-compose     the test of docker-compose.yml
testing  shellcheck       shellcheck         the test of the scripts in containers
testing  faketime         faketime           the test of clocks that step
testing  gnuplot          gnuplot-nox        the plots of ./prodorder bench
END
}

# Programs only for people who work on the C code: never installed by us, only mentioned.
PACKAGES_DEVELOPER=(clang clang-format clang-tidy valgrind)

# packages_check NGINX_SRC [PART]: look for everything, or for what PART needs; sets PACKAGES_MISSING and
# PACKAGES_TEST_MISSING (Debian packages, in order, once each), PACKAGES_REPORT and PACKAGES_REQUIRED_MISSING
# (how many things we cannot do without).
packages_check() {
    local kind what debian purpose nginx_src=$1 part=${2:-}
    PACKAGES_MISSING=() PACKAGES_TEST_MISSING=() PACKAGES_REPORT=() PACKAGES_REQUIRED_MISSING=0
    while read -r kind what debian purpose; do
        [ -z "$part" ] || [[ " ${PACKAGES_OF_PART[$part]//[[:space:]]/ } " == *" $kind/$what "* ]] || continue
        packages_check_one "$kind" "$what" "$debian" "$purpose"
    done < <(packages_requirements)
    if [ -z "$nginx_src" ] && [[ $part =~ ^(gateway)?$ ]]; then
        packages_check_one file /usr/share/nginx/src/configure nginx-dev "building nginx modules"
    fi
    [ -n "$part" ] || packages_report_developer
}

# packages_require_path DIR: can the repository be built where it is?
packages_require_path() {
    [[ $1 != *[[:space:]]* ]] ||
        die "the repository's own path '$1' has a space: nginx and make cannot build there; move the clone"
}

packages_check_one() {
    local kind=$1 what=$2 debian=$3 purpose=$4 one
    if packages_have "$kind" "$what"; then
        ui_step "$what" "${UI_GREEN}found$UI_RESET"
        return
    fi
    if [ "$kind" = testing ]; then
        # shellcheck disable=SC2206 # a list
        PACKAGES_TEST_MISSING+=(${debian//,/ })
        ui_step "$what" "${UI_YELLOW}missing$UI_RESET (only for $purpose: --install-test-deps)"
        return
    fi
    for one in ${debian//,/ }; do
        [[ " ${PACKAGES_MISSING[*]-} " == *" $one "* ]] || PACKAGES_MISSING+=("$one")
    done
    if [ "$kind" = optional ]; then
        ui_step "$what" "${UI_YELLOW}missing$UI_RESET (only for $purpose; Debian package: ${debian//,/ })"
    else
        ui_step "$what" "${UI_RED}missing$UI_RESET ($purpose; Debian package: ${debian//,/ })"
        PACKAGES_REPORT+=("$(printf '%-18s %-34s %s' "${debian//,/ }" "$what" "$purpose")")
        PACKAGES_REQUIRED_MISSING=$((PACKAGES_REQUIRED_MISSING + 1))
    fi
}

packages_have() {
    case $1 in
    program | optional | testing)
        # Debian's jq, curl and so on are in /usr/bin; servers are in /usr/sbin, which an ordinary
        # user may not have in PATH.
        PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin command -v "$2" > /dev/null
        ;;
    module) command -v pkg-config > /dev/null && pkg-config --exists "$2" ;;
    perl) perl -e 'eval "require $ARGV[0]" or exit 1' "$2" 2> /dev/null ;;
    postgres) packages_postgres_bin > /dev/null ;;
    file) [ -e "$2" ] ;;
    esac
}

# packages_postgres_bin [MAJOR]: print the directory of PostgreSQL's server programs, the newest
# one when no major version is asked for.
packages_postgres_bin() {
    local dir newest='' initdb
    if [ -n "${1:-}" ]; then
        [ -x "/usr/lib/postgresql/$1/bin/initdb" ] && echo "/usr/lib/postgresql/$1/bin" && return
    else
        for dir in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V); do
            [ ! -x "$dir/initdb" ] || newest=$dir
        done
        [ -z "$newest" ] || { echo "$newest"; return; }
    fi
    initdb=$(command -v initdb) || return 1
    dir=$(dirname "$(readlink -f "$initdb")")
    [ -z "${1:-}" ] || [[ $("$dir/initdb" --version) =~ \ $1(\.|$) ]] || return 1
    echo "$dir"
}

packages_report_developer() {
    local program missing=()
    for program in "${PACKAGES_DEVELOPER[@]}"; do
        command -v "$program" > /dev/null || missing+=("$program")
    done
    [ ${#missing[@]} -eq 0 ] ||
        ui_say "  for work on the C code, not needed to run: ${missing[*]} (apt-get install ${missing[*]})"
}

packages_explain_missing() {
    {
        ui_error "this machine lacks $PACKAGES_REQUIRED_MISSING thing(s) that prodorder needs:"
        printf '  %s%-18s %-34s %s%s\n' "$UI_BOLD" "Debian package" "looked for" "needed for" "$UI_RESET"
        printf '  %s\n' "${PACKAGES_REPORT[@]}"
        echo "Install them with:  ./configure.sh --install-deps"
        echo "or yourself, as root: scripts/install-packages.sh ${PACKAGES_MISSING[*]}"
    } >&2
}

# The option of configure.sh that installs what is missing.
PACKAGES_OPTION=--install-deps

# packages_install PACKAGE...: through apt-get. The work is done by scripts/install-packages.sh,
# which runs as root and leaves no service started: apt-get alone would start the servers that it installs.
packages_install() {
    command -v apt-get > /dev/null ||
        die "cannot install packages: there is no apt-get on this machine" \
            "Install what these Debian packages contain, then run ./configure.sh again:" "$*"
    ui_say "installing: $*"
    if [ "$(id -u)" -eq 0 ]; then
        packages_install_run scripts/install-packages.sh "$@" || packages_install_failed "$@"
    elif command -v sudo > /dev/null; then
        ui_say "(sudo may ask for your password)"
        packages_install_run sudo scripts/install-packages.sh "$@" || packages_install_failed "$@"
    else
        die "installing packages needs root, and there is no sudo here" \
            "As root, run: ./configure.sh $PACKAGES_OPTION"
    fi
}

# packages_install_run COMMAND...: apt-get says hundreds of lines. On a terminal the last one is shown while
# it works, and the end of them when it has failed; else all of them.
packages_install_run() {
    local said begin_ms
    if [ -z "$UI_CLEAR" ]; then
        "$@" >&2
        return
    fi
    said=$(mktemp)
    ui_now_ms
    begin_ms=$RET_MS
    if "$@" 2>&1 | tee "$said" | ui_follow packages; then
        ui_now_ms
        ui_good packages "installed in $(ui_seconds $((RET_MS - begin_ms)))"
        rm -f "$said"
        return
    fi
    ui_bad packages failed
    tail -n 25 "$said" | sed 's/^/    /' >&2
    rm -f "$said"
    return 1
}

packages_install_failed() {
    die "installing packages failed; what apt-get said is above" \
        "To try by hand, as root: scripts/install-packages.sh $*"
}
