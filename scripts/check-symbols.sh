#!/usr/bin/env bash
# The symbol rule, read from the built objects (make symbols; make check runs it too): a function that a file shows to others begins with the
# file's name, and files do not use each other round a circle.
#
# Usage: check-symbols.sh [BUILD]      (BUILD: where `make` has built, default build)
#
# x.c shows x or x_..., folder/x.c also folder_x_..., and a file named as its folder, pg/pg.c, pg_...;
# in the nginx module ngx_http_prodorder_x.c shows ngx_http_prodorder_x...  Everything else is static.
# Tables and constants (SQL_ORDER_INSERT, broker_metrics) are named for what they are.
# A line of the output says the file, its symbol, and what is expected instead.
set -euo pipefail
case ${1:-} in -h | --help) sed '1d; /^#/!Q; s/^# \{0,1\}//' "$0"; exit ;; esac
export LC_ALL=C

# What stands on the top because a frame below looks for it by this name: no call upwards.
FRAMES='
ngx_http_prodorder_gateway_module
APP
'
# Files that may call each other round a circle: a line each, with the reason above it.
# A pool and its connections: the pool hands out work, a connection says that it is idle again.
# A request and its answer: a connection begins an exchange, whose answer is written by the connection;
# the server counts and times both.
CIRCLES='
services/runtime/pg/pg services/runtime/pg/conn
services/runtime/http/server services/runtime/http/connection services/runtime/http/http
'
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=${1:-build}
module=$build/nginx/objs/addon/src
[ -d "$build/obj" ] || { echo "check-symbols: no objects in $build/obj: run make first" >&2; exit 2; }

# source_of OBJECT: without .c
source_of() {
    local source=${1%.o}
    case $source in
    "$module"/*) echo "ngx_prodorder_gateway/src/${source##*/}" ;;
    *) echo "${source#"$build/obj/"}" ;;
    esac
}

# "SOURCE LETTER SYMBOL" of all that is shown or taken. An object whose source is gone is left over.
symbols() {
    local object
    find "$build/obj"/{base,openapi,services} "$module" -name '*.o' 2> /dev/null | sort |
        while read -r object; do
            [ ! -f "$(source_of "$object").c" ] || echo "$object"
        done | xargs -r nm -A -g |
        sed -E "s,^$module/,ngx_prodorder_gateway/src/,; s,^$build/obj/,,; s/^([^:]*)\.o:[0-9a-f ]*/\1 /"
}

check() {
    awk -v frames="$FRAMES" -v circles="$CIRCLES" '
    function begins(symbol, names,    list, i, n) {
        n = split(names, list, " ")
        for (i = 1; i <= n; i++)
            if (symbol == list[i] || index(symbol, list[i] "_") == 1) return 1
        return 0
    }

    # What a symbol of that file should begin with; "": it does.
    function expected(file, symbol,    n, part, names) {
        n = split(file, part, "/")
        names = part[n]
        if (file !~ /^ngx_prodorder_gateway\//) names = names " " part[n - 1] "_" part[n]
        if (begins(symbol, names) || (symbol in is_frame && part[n] ~ /^(app|ngx_http_prodorder_module)$/)) return ""
        gsub(/[^ ]+/, "&_...", names)
        sub(/ /, " or ", names)
        return names
    }

    # order and product are two programs: what one defines is not for the other.
    function is_apart(file) {
        return file ~ /^services\/(order|product)\// && index(file, "services/" program "/") != 1
    }

    # Tarjan: the files from which one comes back to oneself, in one walk.
    function walk(file,    list, i, n, other, circle, size) {
        seen_at[file] = lowest[file] = ++clock
        stack[++depth] = file
        on_stack[file] = 1
        n = split(calls[file], list, " ")
        for (i = 1; i <= n; i++) {
            other = list[i]
            if (is_apart(other)) continue
            if (!(other in seen_at)) walk(other)
            if (on_stack[other] && lowest[other] < lowest[file]) lowest[file] = lowest[other]
        }
        if (lowest[file] != seen_at[file]) return
        do {
            other = stack[depth--]
            on_stack[other] = 0
            circle = other " " circle
            size++
        } while (other != file)
        if (size > 1 && !is_allowed(circle)) print_circle(circle)
    }

    function is_allowed(circle,    line, i, n, list, j, m) {
        n = split(circles, line, "\n")
        m = split(circle, list, " ")
        for (i = 1; i <= n; i++) {
            for (j = 1; j <= m; j++)
                if (!index(" " line[i] " ", " " list[j] " ")) break
            if (j > m) return 1
        }
        return 0
    }

    function print_circle(circle,    list, i, j, n) {
        n = split(circle, list, " ")
        for (i = 1; i <= n; i++)
            for (j = 1; j <= n; j++)
                if ((list[i], list[j]) in example)
                    print list[i] ".c: " example[list[i], list[j]] " is of " list[j] ".c: a circle of " n " files"
    }

    BEGIN {
        split(frames, line, "\n")
        for (i in line) is_frame[line[i]] = 1
    }

    NF != 3 || $3 ~ /^_/ || $3 == "main" { next }

    $2 == "U" || $2 == "w" { taken[++takes] = $1 " " $3; next }

    {
        owners[$3] = owners[$3] " " $1
        if ($2 ~ /[TW]/ && (names = expected($1, $3)) != "") print $1 ".c: " $3 ", expected " names
        if (!($1 in calls)) files[++count] = $1
        calls[$1] = ""
    }

    END {
        if (count == 0) print "check-symbols: no objects of ours"
        for (t = 1; t <= takes; t++) {
            split(taken[t], take, " ")
            n = take[2] in is_frame ? 0 : split(owners[take[2]], owner, " ")
            for (i = 1; i <= n; i++) {
                if (owner[i] == take[1]) continue
                calls[take[1]] = calls[take[1]] " " owner[i]
                example[take[1], owner[i]] = take[2]
            }
        }
        for (program = "order"; program != ""; program = program == "order" ? "product" : "") {
            split("", seen_at)
            for (f = 1; f <= count; f++)
                if (!(files[f] in seen_at) && !is_apart(files[f])) walk(files[f])
        }
    }'
}

violations=$(symbols | check | sort -u)
if [ -n "$violations" ]; then
    echo "$violations" >&2
    echo "check-symbols: $(wc -l <<< "$violations") violation(s) of the symbol rule; see CONTRIBUTING.md" >&2
    exit 1
fi
