#!/usr/bin/env bash
# Build the docs page, BUILD/docs: our files of docs/ui and swagger-ui-dist, which npm fetches.
#
# Usage: scripts/build-docs.sh [--require] BUILD
#
# Which version, and the hash of what it contains, is in docs/ui/package-lock.json; nothing of it is run
# here. Without npm or its registry, the page is a table of the operations that says so; that is an error
# only with --require. What was fetched is kept in BUILD/docs-npm.
set -euo pipefail
case ${1:-} in -h | --help) sed '1d; /^#/!Q; s/^# \{0,1\}//' "$0"; exit ;; esac
export LC_ALL=C.UTF-8
cd "$(dirname "${BASH_SOURCE[0]}")/.."

require=
if [ "${1:-}" = --require ]; then
    require=yes
    shift
fi
[ $# -eq 1 ] || { echo "usage: scripts/build-docs.sh [--require] BUILD" >&2; exit 2; }
build=$1
npm_dir=$build/docs-npm
dist=$npm_dir/node_modules/swagger-ui-dist
why=

# fetch: sets why, empty when BUILD/docs-npm has what the lockfile says.
fetch() {
    local said
    if cmp -s docs/ui/package-lock.json "$npm_dir/fetched"; then
        return
    fi
    if ! command -v npm > /dev/null; then
        why="npm is missing (Debian package: npm)"
        return
    fi
    rm -rf "$npm_dir"
    mkdir -p "$npm_dir"
    cp docs/ui/package.json docs/ui/package-lock.json "$npm_dir/"
    # Few and short tries: the rest of the build does not need it.
    if ! said=$(cd "$npm_dir" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error \
        --fetch-retries=1 --fetch-retry-mintimeout=1000 --fetch-timeout=30000 2>&1); then
        why="npm could not fetch swagger-ui-dist ($(grep -m 1 'code\|ERR' <<< "$said" || head -n 1 <<< "$said"))"
        return
    fi
    cp docs/ui/package-lock.json "$npm_dir/fetched"
}

assemble() {
    local to=$build/docs.new
    rm -rf "$to"
    mkdir -p "$to"
    cp docs/ui/docs.css docs/ui/icon.svg "$to/"
    if [ -n "$why" ]; then
        jq -r --arg why "$why" -f docs/ui/plain.jq openapi.json > "$to/index.html"
    else
        cp docs/ui/index.html docs/ui/docs.js "$to/"
        # Without the reference to a source map, which nobody would serve.
        sed '/^\/[/*]# sourceMappingURL=/d' "$dist/swagger-ui.css" > "$to/swagger-ui.css"
        sed '/^\/\/# sourceMappingURL=/d' "$dist/swagger-ui-bundle.js" > "$to/swagger-ui-bundle.js"
        cat "$dist/LICENSE" "$dist/NOTICE" "$dist/swagger-ui-bundle.js.LICENSE.txt" > "$to/swagger-ui.LICENSE.txt"
    fi
    rm -rf "$build/docs"
    mv "$to" "$build/docs"
}

fetch
assemble
if [ -n "$why" ]; then
    echo "docs page: $why; /docs/ lists the operations only. Once that has changed: make docs-ui" >&2
    [ -z "$require" ] || exit 1
fi
