#!/usr/bin/env bash
# Build the fuzzers, run each over its corpus and then on new inputs for a bounded time; TAP.
#
# Usage: fuzz-smoke.sh BUILD_DIR [NAME...]        (called by make fuzz-smoke)
#
# FUZZ_SECONDS (default 20) is the time on new inputs of each fuzzer. New inputs that reach new code
# are kept in BUILD_DIR/fuzz/corpus/NAME and used again; an input that breaks something is kept in
# BUILD_DIR/fuzz/findings. Exit 1 when there is one.
set -euo pipefail
export LC_ALL=C.UTF-8
cd "$(dirname "${BASH_SOURCE[0]}")/.."
usage() {
    sed -n '2,/^set /s/^# \{0,1\}//p' scripts/fuzz-smoke.sh
}
case ${1:-} in
--help | -h) usage; exit ;;
'' | -*) usage >&2; exit 2 ;;
esac
build=$1
shift
seconds=${FUZZ_SECONDS:-20}
findings=$build/fuzz/findings
memory_mb_max=2048
input_seconds_max=10
[[ $seconds =~ ^[0-9]+$ ]] || { echo "FUZZ_SECONDS '$seconds' is not a number of seconds" >&2; exit 2; }

command -v clang > /dev/null || {
    echo "make fuzz-smoke: clang is missing: apt-get install clang libclang-rt-14-dev" >&2
    exit 1
}
scripts/build-fuzzers.sh "$build" >&2
mkdir -p "$findings"

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    for fuzzer in fuzz/fuzz_*.c; do
        name=$(basename "$fuzzer" .c)
        names+=("${name#fuzz_}")
    done
fi

# run_one NAME: fuzz, and print what libFuzzer says about it to the log.
run_one() {
    local corpus=fuzz/corpus/$1 new=$build/fuzz/corpus/$1 log=$findings/$1.log words=()
    mkdir -p "$new"
    [ ! -f "fuzz/$1.dict" ] || words=("-dict=fuzz/$1.dict")
    nice -n 10 "$build/fuzz/fuzz_$1" -max_total_time="$seconds" -timeout=$input_seconds_max \
        -rss_limit_mb=$memory_mb_max -print_final_stats=1 -artifact_prefix="$findings/$1-" \
        "${words[@]}" "$new" "$corpus" > "$log" 2>&1
}

# show_failure NAME: why, and how to see it again.
show_failure() {
    local log=$findings/$1.log
    grep -aE 'does not hold|ERROR:|runtime error|SUMMARY:' "$log" | head -n 8 | sed 's/^/# /'
    grep -ao 'Test unit written to .*' "$log" |
        sed "s|^Test unit written to \(.*\)|# again: $build/fuzz/fuzz_$1 \1|"
    echo "# all of it: $log"
}

failed=0
number=0
echo "1..${#names[@]}"
for name in "${names[@]}"; do
    number=$((number + 1))
    if [ -z "$(ls -A "fuzz/corpus/$name" 2> /dev/null)" ]; then
        echo "not ok $number - $name: no inputs in fuzz/corpus/$name"
        failed=$((failed + 1))
    elif run_one "$name"; then
        runs=$(awk '/stat::number_of_executed_units/ { print $2 }' "$findings/$name.log")
        echo "ok $number - $name: $runs runs in $seconds s, no finding"
        rm -f "$findings/$name.log"
    else
        echo "not ok $number - $name"
        show_failure "$name"
        failed=$((failed + 1))
    fi
done
[ "$failed" -eq 0 ] || { echo "# $failed of ${#names[@]} fuzzers found something"; exit 1; }
