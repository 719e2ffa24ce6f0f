#!/usr/bin/env bash
# The validator alone, beside ajv: nanoseconds per order body, MB/s on a body of 100 kB.
#
# Usage: validator.sh [ROUNDS]      (default 7; ours and ajv in turn, the median of each counts)
# Environment: PRODORDER_BUILD (build), BENCH_ROUND_MS (300: the time of one measurement).
#
# Both get the same schemas (formats asserted) and the same bodies. "text" is from the bytes to the
# verdict, for ajv JSON.parse() of a string and then validating; "value" is validating alone, what was
# parsed being there already. Without Node.js or npm only ours is measured.
set -euo pipefail
case ${1:-} in -h | --help) sed '1d; /^#/!Q; s/^# \{0,1\}//' "$0"; exit ;; esac
export LC_ALL=C.UTF-8
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib/packages.sh
rounds=${1:-7}
round_ms=${BENCH_ROUND_MS:-300}
build=${PRODORDER_BUILD:-build}
batch_bytes=100000
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

[ -f "$build/libopenapi.a" ] || { echo "validator.sh: $build/libopenapi.a is missing: run make" >&2; exit 1; }
read -ra flags <<< "$(pkg-config --cflags --libs "${OPENAPI_MODULES[@]}")"
gcc -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -I. -o "$dir/micro_validator" \
    bench/micro_validator.c "$build/libopenapi.a" "$build/libbase.a" "${flags[@]}"

# The contract's schema of a new order in a file of its own, and the two bodies.
perl -MJSON::PP -e '
    my ($document, $schema, $order, $batch, $bytes) = @ARGV;
    sub slurp { local (@ARGV, $/) = @_; <> }
    sub spew { my ($file, $text) = @_; open my $out, ">", $file or die "$file: $!\n"; print $out $text }
    my $json = JSON::PP->new->canonical;
    my $text = $json->encode(JSON::PP->new->decode(slurp($document))->{components}{schemas});
    $text =~ s{#/components/schemas/}{#/\$defs/}g;
    spew($schema, qq({"\$ref":"#/\$defs/NewOrder","\$defs":$text}));
    spew($order, qq({"productId":1234,"quantity":2}));
    my @orders;
    while (length(join ",", @orders) < $bytes) {
        my $i = @orders + 1;
        my $lines = join ",", map { sprintf q({"productId":%d,"quantity":%d,"unitPrice":%d.%02d}),
            $i * 7 + $_, $_, $_ * 13, $i % 100 } 1 .. 1 + $i % 4;
        push @orders, sprintf q({"id":%d,"status":"%s","reason":null,"createdAt":"2026-11-%02dT20:14:%02d.123Z",)
            . q("requestId":"9f86d081-884c-4d65-9a2f-%012d","customer":{"name":"Joe Bloggs %d",)
            . q("email":"joe.bloggs%d@example.com","notes":"leave it at the \"back\" door"},)
            . q("lines":[%s],"tags":["new","web","tag%d"]}), $i, (qw(waiting done rejected))[$i % 3],
            1 + $i % 28, $i % 60, $i, $i, $i, $lines, $i;
    }
    spew($batch, q({"orders":[) . join(",", @orders) . q(]}));
' openapi.json "$dir/order.schema.json" "$dir/order.json" "$dir/batch.json" $batch_bytes

why_no_ajv=$(perl -It/lib -MProdorder::Npm -e 'print Prodorder::Npm::missing("t/differential") // ""')
[ -z "$why_no_ajv" ] || echo "ajv is not measured: $why_no_ajv" >&2

# run WHO SCHEMA BODY: append "WHO TEXT_NS VALUE_NS" to the results of that body.
run() {
    local said command=("$dir/micro_validator")
    [ "$1" != ajv ] || command=(node bench/ajv.mjs)
    said=$("${command[@]}" "$2" "$3" "$round_ms")
    [[ $said == *" valid" ]] || { echo "validator.sh: $1 refuses $(basename "$3")" >&2; exit 1; }
    echo "$1 $said" >> "$3.results"
}

for ((round = 0; round < rounds; round++)); do
    run gateway openapi.json "$dir/order.json"
    run ours "$dir/order.schema.json" "$dir/order.json"
    [ -n "$why_no_ajv" ] || run ajv "$dir/order.schema.json" "$dir/order.json"
    run ours bench/validator_batch.json "$dir/batch.json"
    [ -n "$why_no_ajv" ] || run ajv bench/validator_batch.json "$dir/batch.json"
done

# median WHO COLUMN BODY: in nanoseconds.
median() {
    awk -v who="$1" -v column="$2" '$1 == who { print $column }' "$3.results" | sort -g |
        awk '{ all[NR] = $1 } END { if (NR) print (all[int((NR + 1) / 2)] + all[int(NR / 2) + 1]) / 2 }'
}

# line LABEL WHO BODY: a row of the table; a dash where there is nothing.
line() {
    local bytes text value
    bytes=$(stat -c %s "$3")
    text=$(median "$2" 2 "$3")
    value=$(median "$2" 3 "$3")
    [ -n "$text" ] || return 0
    awk -v label="$1" -v bytes="$bytes" -v text="$text" -v value="$value" 'BEGIN {
        value_ns = (value > 0) ? sprintf("%.0f", value) : "-"
        value_mb = (value > 0) ? sprintf("%.1f", bytes * 1000 / value) : "-"
        printf "%-34s %9d %14.0f %12.1f %14s %12s\n", label, bytes, text, bytes * 1000 / text, value_ns, value_mb
    }'
}

printf 'validator alone, median of %d rounds of %d ms\n' "$rounds" "$round_ms"
printf '%-34s %9s %14s %12s %14s %12s\n' "" bytes "text, ns" "text, MB/s" "value, ns" "value, MB/s"
line "order, through POST /orders" gateway "$dir/order.json"
line "order, ours" ours "$dir/order.json"
line "order, ajv" ajv "$dir/order.json"
line "batch of orders, ours" ours "$dir/batch.json"
line "batch of orders, ajv" ajv "$dir/batch.json"
