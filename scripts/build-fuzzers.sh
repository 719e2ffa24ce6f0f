#!/usr/bin/env bash
# Build the fuzzers: each fuzz/fuzz_NAME.c, with libFuzzer, AddressSanitizer and UBSan.
#
# Usage: build-fuzzers.sh BUILD_DIR        (called by make fuzz)
#
# A fuzzer is linked with services/common, fuzz_openapi_NAME.c with the gateway's openapi/, or with
# the sources that it names in its first lines, as a unit test does:
#     /* link: services/common/http_parser.c services/common/buf.c */
# Run one with its corpus:  build/fuzz/fuzz_http fuzz/corpus/http
set -euo pipefail
export LC_ALL=C.UTF-8
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib/packages.sh
build=$1
shopt -s nullglob
fuzzers=(fuzz/fuzz_*.c)
[ ${#fuzzers[@]} -gt 0 ] || { echo "make fuzz: there is no fuzz/fuzz_*.c yet" >&2; exit 1; }
command -v clang > /dev/null || {
    echo "make fuzz: clang is missing: apt-get install clang libclang-rt-14-dev" >&2
    exit 1
}
mkdir -p "$build/fuzz"
read -ra cflags <<< "$(pkg-config --cflags "${SERVICE_MODULES[@]}" "${OPENAPI_MODULES[@]}")"
read -ra libs <<< "$(pkg-config --libs "${SERVICE_MODULES[@]}" "${OPENAPI_MODULES[@]}")"
for fuzzer in "${fuzzers[@]}"; do
    name=$(basename "$fuzzer" .c)
    read -ra sources <<< "$(scripts/link-marker.sh "$fuzzer" | sed 's/^.*:=//')"
    if [ ${#sources[@]} -eq 0 ]; then
        case $name in
        fuzz_openapi_*) sources=(ngx_prodorder_gateway/openapi/*.c) ;;
        *) sources=(services/common/*.c) ;;
        esac
    fi
    echo "  FUZZER  $build/fuzz/$name"
    clang -std=c11 -D_GNU_SOURCE -g -O1 -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined \
        -fno-sanitize-recover=undefined -Iservices -Ingx_prodorder_gateway "${cflags[@]}" \
        -o "$build/fuzz/$name" "$fuzzer" "${sources[@]}" "${libs[@]}" -lpthread
done
