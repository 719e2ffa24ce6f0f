#!/usr/bin/env bash
# Check the container images, docker-compose.yml and their settings, on a machine without a Docker engine.
set -euo pipefail
export LC_ALL=C.UTF-8
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$ROOT"
. scripts/lib/ui.sh
. t/images/quick.sh
. t/images/build.sh
. t/images/container.sh
. t/images/checks.sh

usage() {
    cat <<'END_OF_USAGE'
Usage: t/images/run.sh [--keep]
       t/images/run.sh --quick [--root DIR] [PIECE...]

Without --quick (as root, about five minutes, 5 GB in TMPDIR): makes a base image with debootstrap, builds the
three images with buildah, runs each as docker-compose.yml does (process 1 of its own, read-only, no
capabilities, not root) on a stack that it starts for that, and places an order through them. All of it
is deleted at the end. Needs buildah, debootstrap, jq, curl, and what ./prodorder up needs.

  --keep            keep the storage of the images, and say where it is

With --quick (seconds, as anybody), the pieces, all of them unless some are named:

  compose           docker-compose.yml: docker-compose and dclint accept it, with and without copied
                    examples; names, ports and limits are as the contract says
  dockerfiles       the Dockerfiles, by dockerfile-utils and by our own rules
  settings          each .env.example lists exactly what the program that reads it knows
  shell             shellcheck on what runs in the containers

  --root DIR        check these files instead of the repository's

Exit status: 0 good, 1 mistakes were found, 2 wrong arguments, 77 a single piece could not be checked because
a program is missing (with several pieces, that is said and is no mistake).
END_OF_USAGE
}

usage_error() {
    ui_error "images: $1"
    echo "  t/images/run.sh --help lists the options." >&2
    exit 2
}

check_full() {
    [ "$(id -u)" -eq 0 ] ||
        die "images: must run as root: debootstrap and mounts" "Or: t/images/run.sh --quick"
    build_require
    WORK=$(mktemp -d "${TMPDIR:-/tmp}/prodorder-images.XXXXXXXX")
    trap check_end EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    chmod 755 "$WORK"
    build_base
    build_images
    checks_run
}

check_end() {
    checks_end
    container_end_all
    if [ -n "$keep" ]; then
        ui_say "kept: buildah --storage-driver vfs --root $WORK/storage --runroot $WORK/runroot images"
    else
        rm -rf --one-file-system "${WORK:?}"
    fi
}

quick='' keep='' root=$ROOT pieces=()
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) usage; exit 0 ;;
    --quick) quick=yes ;;
    --keep) keep=yes ;;
    --root) [ $# -ge 2 ] || usage_error "--root needs a directory"; root=$2; shift ;;
    --root=*) root=${1#*=} ;;
    -*) usage_error "unknown option $1" ;;
    *)
        [[ " ${QUICK_PIECES[*]} " == *" $1 "* ]] || usage_error "there is no piece '$1'; pieces: ${QUICK_PIECES[*]}"
        pieces+=("$1")
        ;;
    esac
    shift
done
if [ -n "$quick" ]; then
    [ -z "$keep" ] || usage_error "--keep is for the full check"
    root=$(cd "$root" 2> /dev/null && pwd) || usage_error "--root: there is no such directory"
    quick_run ${pieces[@]+"${pieces[@]}"}
else
    [ ${#pieces[@]} -eq 0 ] && [ "$root" = "$ROOT" ] || usage_error "pieces and --root are for --quick"
    check_full
fi
