#!/usr/bin/env bash
# Install Debian packages without letting any of them start a service, now or at the next boot.
#
# Usage: install-packages.sh PACKAGE...        (as root)
#
# While apt-get runs, a policy-rc.d that refuses every start is in place, and PostgreSQL's packages
# are told not to create a cluster. Both are put back as they were. Servers that were not there before
# are then disabled: prodorder starts private instances of its own.
set -euo pipefail
case ${1:-} in -h | --help) sed '1d; /^#/!Q; s/^# \{0,1\}//' "$0"; exit ;; esac
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive

policy=/usr/sbin/policy-rc.d
policy_ours=
policy_saved=
cluster_conf=/etc/postgresql-common/createcluster.conf
cluster_conf_ours=

put_back() {
    if [ -n "$policy_saved" ]; then
        mv -f "$policy_saved" "$policy"
    elif [ -n "$policy_ours" ]; then
        rm -f "$policy"
    fi
    rm -f "$policy.new"
    [ -z "$cluster_conf_ours" ] || restore_cluster_conf
}

# The file did not exist: leave what the package would have put there, or nothing.
restore_cluster_conf() {
    rm -f "$cluster_conf" "$cluster_conf.ucf-dist"
    if [ -f /usr/share/postgresql-common/createcluster.conf ]; then
        cp /usr/share/postgresql-common/createcluster.conf "$cluster_conf"
    else
        rmdir "$(dirname "$cluster_conf")" 2> /dev/null || true
    fi
}

forbid_starts() {
    trap put_back EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    # A saved file, or a policy of ours, was left behind by a run that was killed.
    if [ -e "$policy.prodorder-saved" ]; then
        policy_saved=$policy.prodorder-saved
    elif [ -e "$policy" ] && ! grep -q 'Put here by prodorder' "$policy"; then
        cp -p "$policy" "$policy.prodorder-saved"
        policy_saved=$policy.prodorder-saved
    fi
    policy_ours=yes
    printf '#!/bin/sh\n# Put here by prodorder while it installs packages.\nexit 101\n' > "$policy.new"
    chmod 755 "$policy.new"
    mv -f "$policy.new" "$policy"
    if [ ! -e "$cluster_conf" ]; then
        cluster_conf_ours=yes
        mkdir -p "$(dirname "$cluster_conf")"
        echo "create_main_cluster = false" > "$cluster_conf"
    fi
}

# disable_new_services "BEFORE": servers that were not installed before must not start at boot.
disable_new_services() {
    local name disabled=()
    for name in $(servers_installed); do
        [[ " $1 " != *" $name "* ]] || continue
        if [ "$name" = epmd ]; then
            deb-systemd-helper disable epmd.service epmd.socket > /dev/null 2>&1
        else
            update-rc.d "$name" disable > /dev/null 2>&1
        fi && disabled+=("$name")
    done
    [ ${#disabled[@]} -eq 0 ] ||
        echo "not started, and disabled at boot (prodorder runs its own): ${disabled[*]}"
}

servers_installed() {
    local name
    for name in nginx redis-server rabbitmq-server postgresql epmd; do
        if [ -e "/etc/init.d/$name" ] || [ -e "/lib/systemd/system/$name.service" ]; then
            echo "$name"
        fi
    done
}

[ $# -gt 0 ] || { echo "usage: install-packages.sh PACKAGE..." >&2; exit 2; }
[ "$(id -u)" -eq 0 ] || { echo "install-packages.sh: must run as root" >&2; exit 1; }

before=$(servers_installed | tr '\n' ' ')
forbid_starts
apt-get -o DPkg::Lock::Timeout=300 -q update
apt-get -o DPkg::Lock::Timeout=300 -q -y --no-install-recommends install "$@"
disable_new_services "$before"
