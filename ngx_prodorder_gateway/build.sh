#!/bin/bash
#
# Builds ngx_http_prodorder_gateway_module.so against nginx's sources.
#
#     ngx_prodorder_gateway/build.sh [OPTION]... OUTPUT_DIR
#
#     --with-nginx-src DIR   nginx's sources; default: those of Debian's nginx-dev
#     --sanitize=LIST        for example address,undefined
#     --debug                no optimization
#
# The sources are copied to OUTPUT_DIR/nginx and configured there, once; the
# second run compiles only what has changed.  Nothing is written elsewhere.

set -euo pipefail

help() {
    sed '1,2d; /^#/!Q; s/^# \{0,1\}//' "$0"
}

usage() {
    help >&2
    exit 2
}

module_dir=$(cd "$(dirname "$0")" && pwd)
nginx_src=/usr/share/nginx/src
sanitize=
debug=
output=

while [ $# -gt 0 ]; do
    case $1 in
        --with-nginx-src) [ $# -ge 2 ] || usage; nginx_src=$2; shift ;;
        --with-nginx-src=*) nginx_src=${1#*=} ;;
        --sanitize=*) sanitize=${1#*=} ;;
        --debug) debug=yes ;;
        -h | --help) help; exit ;;
        -*) usage ;;
        *) [ -z "$output" ] || usage; output=$1 ;;
    esac
    shift
done

[ -n "$output" ] || usage

if [ ! -f "$nginx_src/src/core/nginx.h" ]; then
    echo "$0: no nginx sources in $nginx_src: install nginx-dev or give --with-nginx-src DIR" >&2
    exit 1
fi

# Distributions keep configure at the top, nginx's repository in auto/.
configure=./configure
[ -x "$nginx_src/configure" ] || configure=auto/configure

cc_opt="-std=gnu11 -g -fPIC -fstack-protector-strong -Wall -Wextra -Wno-unused-parameter"
ld_opt="-Wl,-z,relro -Wl,-z,now"

if [ -n "$debug" ]; then
    cc_opt="$cc_opt -O0"
else
    cc_opt="$cc_opt -O2 -D_FORTIFY_SOURCE=2"
fi

# gcc warns of what is not there in code that a sanitizer has instrumented: -Wno-error comes last,
# for nginx's configure has a -Werror of its own.
if [ -n "$sanitize" ]; then
    cc_opt="$cc_opt -fsanitize=$sanitize -fno-omit-frame-pointer -Wno-error"
    ld_opt="$ld_opt -fsanitize=$sanitize"
else
    cc_opt="$cc_opt -Werror"
fi

mkdir -p "$output"
output=$(cd "$output" && pwd)
tree=$output/nginx
stamp=$tree/.configured

# One build at a time in one directory.
exec {lock}> "$output/.nginx.lock"
flock "$lock"

# What decides the configuration; a change starts afresh. All headers: an update of a distribution can
# change a structure and keep the version.
wanted="$nginx_src
$(find "$nginx_src/src" -name '*.h' -print0 | sort -z | xargs -0 cat | cksum)
$cc_opt
$ld_opt
$(cd "$module_dir" && cat config module.map && find src ../openapi ../base -name '*.[ch]' | sort)"

if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
    rm -rf "$tree"
    mkdir -p "$tree"
    cp -R "$nginx_src/." "$tree/"

    # --with-compat makes the module fit any nginx of this version built with it.
    # The server itself is not built here, so its other options do not matter.
    if ! (cd "$tree" && $configure --with-compat --with-threads \
              --with-cc-opt="$cc_opt" --with-ld-opt="$ld_opt" \
              --add-dynamic-module="$module_dir") > "$output/nginx-configure.log" 2>&1
    then
        tail -20 "$output/nginx-configure.log" >&2
        echo "$0: nginx's configure failed: see $output/nginx-configure.log" >&2
        exit 1
    fi

    printf '%s\n' "$wanted" > "$stamp"
fi

make -s -C "$tree" -f objs/Makefile modules >&2

if ! cmp -s "$tree/objs/ngx_http_prodorder_gateway_module.so" \
            "$output/ngx_http_prodorder_gateway_module.so"
then
    cp "$tree/objs/ngx_http_prodorder_gateway_module.so" "$output/.module.so"
    mv -f "$output/.module.so" "$output/ngx_http_prodorder_gateway_module.so"
fi

touch "$output/ngx_http_prodorder_gateway_module.so"
