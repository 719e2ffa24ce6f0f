#!/usr/bin/env bash
# The first process of a container, as docker-compose.yml has it: the root read-only but for the gateway's volume,
# a directory of the image like a new volume is, no capabilities, no new privileges, not root. Called by
# container.sh, in a mount and a process namespace of its own; the network is the machine's.
#
# Usage: enter.sh ROOT HOSTS UID GID VARIABLE=VALUE... COMMAND...         HOSTS: a file, its /etc/hosts
set -euo pipefail
case ${1:-} in -h | --help) sed '1d; /^#/!Q; s/^# \{0,1\}//' "$0"; exit ;; esac
root=$1 hosts=$2 uid=$3 gid=$4
shift 4
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
[ -e "$root/etc/hosts" ] || : > "$root/etc/hosts"
mount --bind "$hosts" "$root/etc/hosts"
[ ! -d "$root/run/prodorder" ] || mount --bind "$root/run/prodorder" "$root/run/prodorder"
mount -o remount,bind,ro "$root"
exec chroot "$root" setpriv --reuid "$uid" --regid "$gid" --clear-groups --no-new-privs --bounding-set=-all \
    --inh-caps=-all env -i "$@"
