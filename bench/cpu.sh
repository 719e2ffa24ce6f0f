#!/usr/bin/env bash
# Usage: cpu.sh < NAMES
#
# Standard input: lines "NAME PID". Output: "NAME SECONDS", the processor time of each process and of all
# its descendants, ended ones included, so far.
set -euo pipefail
case ${1:-} in -h | --help) sed '1d; /^#/!Q; s/^# \{0,1\}//' "$0"; exit ;; esac
tick=$(getconf CLK_TCK)
stats=$(cat /proc/[0-9]*/stat 2> /dev/null || true)
while read -r name pid; do
    # after the ")" of the name: 2 is the parent, 12 to 15 are user, system and the ended children's times
    awk -v root="$pid" -v name="$name" -v tick="$tick" '
        { pid = $1; sub(/.*\) /, ""); parent[pid] = $2; own[pid] = $12 + $13; ended[pid] = $14 + $15 }
        function below(p) { while (p > 1 && p != root) p = parent[p]; return p == root }
        END { for (p in parent) if (below(p)) sum += own[p] + ended[p]; printf "%s %.2f\n", name, sum / tick }
    ' <<< "$stats"
done
