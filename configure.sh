#!/usr/bin/env bash
# Find what prodorder needs on this machine and write the build configuration (build/config.mk).
set -euo pipefail
export LC_ALL=C.UTF-8
cd "$(dirname "${BASH_SOURCE[0]}")"
. scripts/lib/ui.sh
. scripts/lib/packages.sh

usage() {
    cat <<'END'
Usage: ./configure.sh [OPTIONS]

Checks the machine for the compiler, libraries, server programs and Perl modules that prodorder
needs, and writes build/config.mk for make. Without --install-deps nothing is installed.

  --install-deps         install what is missing with apt-get (through sudo when not root); no
                         service of an installed package is started or enabled
  --install-test-deps    the same, and what only some of the tests need: a browser (400 MB), docker-compose,
                         shellcheck, faketime
  --only=PART            look for, and install, no more than building this part needs (for container
                         images): services, gateway or docs
  --prefix=DIR           where `make install` puts things (default /usr/local)
  --sanitize=LIST        build with sanitizers: address, undefined, thread; a comma may join
                         address and undefined
  --debug                -O0 and full debug information
  --kill-points          only for tests, with a --build-dir of its own: services that can be stopped at
                         named points (make kill-points)
  --with-nginx-src=DIR   build the gateway module against these nginx sources, not the packaged ones
  --build-dir=DIR        where make builds (default build)
  --quiet                only speak when something is missing
  --help                 this text

Environment: CC, the compiler (default gcc).
END
}

prefix=/usr/local sanitize='' debug='' kill_points='' nginx_src='' only='' build_dir=build install='' install_test='' quiet=''

parse_options() {
    local arg
    while [ $# -gt 0 ]; do
        arg=$1
        shift
        case $arg in
        --prefix | --sanitize | --with-nginx-src | --build-dir | --only)
            [ $# -gt 0 ] || usage_error "$arg needs a value: $arg=..."
            arg=$arg=$1
            shift
            ;;
        esac
        case $arg in
        --install-deps) install=yes ;;
        --install-test-deps) install=yes install_test=yes PACKAGES_OPTION=$arg ;;
        --prefix=*) prefix=${arg#*=} ;;
        --sanitize=*) sanitize=${arg#*=} ;;
        --debug) debug=yes ;;
        --kill-points) kill_points=yes ;;
        --with-nginx-src=*) nginx_src=${arg#*=} ;;
        --build-dir=*) build_dir=${arg#*=} ;;
        --only=*) only=${arg#*=} ;;
        --quiet) quiet=yes ;;
        --help | -h) usage; exit 0 ;;
        *) usage_error "unknown option $arg" ;;
        esac
    done
}

usage_error() {
    printf 'configure.sh: %s\nRun ./configure.sh --help for the options.\n' "$1" >&2
    exit 2
}

check_options() {
    local one
    [[ $prefix == /* ]] || usage_error "--prefix must be an absolute path, not '$prefix'"
    [[ $build_dir =~ ^[A-Za-z0-9._/-]+$ ]] ||
        usage_error "--build-dir '$build_dir': only letters, digits, and . _ - / are possible"
    [ -z "$kill_points" ] || [ "$build_dir" != build ] ||
        usage_error "--kill-points is not for services that people run: give a --build-dir of its own"
    case $only in
    '' | services | gateway | docs) ;;
    *) usage_error "--only knows services, gateway and docs, not '$only'" ;;
    esac
    for one in ${sanitize//,/ }; do
        case $one in
        address | undefined | thread) ;;
        *) usage_error "--sanitize knows address, undefined and thread, not '$one'" ;;
        esac
    done
    [[ $sanitize != *thread*,* && $sanitize != *,*thread* ]] ||
        usage_error "--sanitize=thread cannot be joined with another sanitizer"
    if [ -n "$nginx_src" ]; then
        [ -f "$nginx_src/src/core/nginx.h" ] ||
            usage_error "--with-nginx-src: $nginx_src has no src/core/nginx.h; give the top of nginx's sources"
        nginx_src=$(cd "$nginx_src" && pwd)
    fi
}

# The options again, as the Makefile passes them when this script has become newer than config.mk.
options_given() {
    printf '%s ' "--prefix=$prefix"
    [ -z "$sanitize" ] || printf '%s ' "--sanitize=$sanitize"
    [ -z "$debug" ] || printf '%s ' --debug
    [ -z "$kill_points" ] || printf '%s ' --kill-points
    [ -z "$only" ] || printf '%s ' "--only=$only"
    [ -z "$nginx_src" ] || printf '%s ' "--with-nginx-src=$nginx_src"
}

# flags_of NAME MODULE...: NAME_CFLAGS and NAME_LIBS, empty for modules that the part that --only names does
# without. Library headers are not ours to warn about.
flags_of() {
    local name=$1
    shift
    if [ -n "$only" ] && ! pkg-config --exists "$@" 2> /dev/null; then
        printf '%s\n' "${name}_CFLAGS :=" "${name}_LIBS :="
        return
    fi
    echo "${name}_CFLAGS := $(pkg-config --cflags "$@" | sed 's/-I/-isystem /g')"
    echo "${name}_LIBS := $(pkg-config --libs "$@")"
}

write_config() {
    mkdir -p "$build_dir"
    {
        echo "# Written by configure.sh; run it again rather than editing this file."
        echo "CONFIGURE_OPTIONS := $(options_given)"
        echo "CC := ${CC:-gcc}"
        echo "PREFIX ?= $prefix"
        echo "SANITIZE := $sanitize"
        echo "DEBUG := $debug"
        echo "KILL_POINTS := $kill_points"
        echo "NGINX_SRC := $nginx_src"
        flags_of SERVICE "${SERVICE_MODULES[@]}"
        flags_of OPENAPI "${OPENAPI_MODULES[@]}"
        flags_of CHECK check
    } > "$build_dir/config.mk.new"
    mv "$build_dir/config.mk.new" "$build_dir/config.mk"
}

parse_options "$@"
packages_require_path "$PWD"
check_options
[ -z "$quiet" ] || exec {UI_OUT}> /dev/null

packages_check "$nginx_src" "$only"
[ -z "$install_test" ] || PACKAGES_MISSING+=(${PACKAGES_TEST_MISSING[@]+"${PACKAGES_TEST_MISSING[@]}"})
if [ -n "$install" ] && [ ${#PACKAGES_MISSING[@]} -gt 0 ]; then
    packages_install "${PACKAGES_MISSING[@]}"
    packages_check "$nginx_src" "$only"
fi
if [ "$PACKAGES_REQUIRED_MISSING" -gt 0 ]; then
    packages_explain_missing
    exit 1
fi
write_config
ui_say "$build_dir/config.mk written: next, make (or ./prodorder up)"
