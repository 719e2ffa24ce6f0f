#!/usr/bin/env bash
# Build the fuzzers: each fuzz/fuzz_NAME.c, with libFuzzer, AddressSanitizer and UBSan.
#
# Usage: build-fuzzers.sh BUILD_DIR        (called by make fuzz and make fuzz-smoke)
#
# A fuzzer that includes "openapi/..." is linked with openapi/ and base/; each with the sources
# that it names in its first lines, as a unit test does:
#     /* link: services/runtime/http/parser.c base/buf.c */
# Objects are kept in BUILD_DIR/fuzz/obj and compiled again when the source or any header is newer.
# Run one with its corpus:  build/fuzz/fuzz_http_parser fuzz/corpus/http_parser
set -euo pipefail
case ${1:-} in -h | --help) sed '1d; /^#/!Q; s/^# \{0,1\}//' "$0"; exit ;; esac
export LC_ALL=C.UTF-8
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib/packages.sh
build=$1
objects=$build/fuzz/obj
shopt -s nullglob
fuzzers=(fuzz/fuzz_*.c)
[ ${#fuzzers[@]} -gt 0 ] || { echo "make fuzz: there is no fuzz/fuzz_*.c yet" >&2; exit 1; }
echo 'int LLVMFuzzerTestOneInput(void); int LLVMFuzzerTestOneInput(void) { return 0; }' |
    clang -x c -fsanitize=fuzzer,address,undefined -o /dev/null - 2> /dev/null || {
    echo "make fuzz: clang or its sanitizers are missing: apt-get install clang libclang-rt-14-dev" >&2
    exit 1
}
mkdir -p "$objects"
read -ra packages <<< "$(pkg-config --cflags "${SERVICE_MODULES[@]}" "${OPENAPI_MODULES[@]}")"
read -ra libs <<< "$(pkg-config --libs "${SERVICE_MODULES[@]}" "${OPENAPI_MODULES[@]}")"
sanitizers=address,undefined
cflags=(-std=c11 -D_GNU_SOURCE -g -O1 -fno-omit-frame-pointer -fno-sanitize-recover=undefined
    -I. -Iservices -Ifuzz "${packages[@]}")

newest_header=$(find base openapi services fuzz scripts/build-fuzzers.sh \
    \( -name '*.h' -o -name '*.sh' \) -printf '%T@ %p\n' | sort -rn | sed 's,^[^ ]* ,,; 1!d')

object_of() {
    echo "$objects/${1//\//_}.o"
}

# compile SOURCE: unless its object is up to date.
compile() {
    local object
    object=$(object_of "$1")
    if [ "$object" -nt "$1" ] && [ "$object" -nt "$newest_header" ]; then
        return
    fi
    clang "${cflags[@]}" -fsanitize=fuzzer-no-link,$sanitizers -c -o "$object.new" "$1"
    mv "$object.new" "$object"
}

# sources_of FUZZER: one a line, the fuzzer first.
sources_of() {
    echo "$1"
    if grep -q '^#include "openapi/' "$1"; then
        find base openapi -name '*.c' ! -path '*/tools/*'
        echo fuzz/openapi_checks.c
    fi
    scripts/link-marker.sh "$1" | sed 's/^.*:=//' | xargs -r -n 1
}

for fuzzer in "${fuzzers[@]}"; do
    name=$(basename "$fuzzer" .c)
    mapfile -t sources < <(sources_of "$fuzzer")
    echo "  FUZZER  $build/fuzz/$name"
    linked=()
    for source in "${sources[@]}"; do
        compile "$source" &
        linked+=("$(object_of "$source")")
        [ "$(jobs -rp | wc -l)" -lt 2 ] || wait -n
    done
    wait
    clang "${cflags[@]}" -fsanitize=fuzzer,$sanitizers -o "$build/fuzz/$name" "${linked[@]}" \
        "${libs[@]}" -lpthread
done
