# The base image and the three images, in a storage of their own: WORK/storage.

BUILD_BASE=docker.io/library/debian:bookworm-slim
BUILD_IMAGES=(product-service order-service api-gateway)
BUILD_MIRROR=http://deb.debian.org/debian

build_require() {
    local program missing=()
    for program in buildah debootstrap jq curl unshare nsenter; do
        command -v "$program" > /dev/null || missing+=("$program")
    done
    [ ${#missing[@]} -eq 0 ] || die "images: missing: ${missing[*]}" \
        "Debian packages of the same names (unshare, nsenter: util-linux)"
}

# vfs needs nothing of the kernel, chroot no container runtime.
build_buildah() {
    buildah --root "$WORK/storage" --runroot "$WORK/runroot" --storage-driver vfs "$@"
}

# build_mirror: where this machine's own packages come from.
build_mirror() {
    local found
    found=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Codename: bookworm' \
        'Component: main' 2> /dev/null | head -n 1)
    found=${found%/}
    echo "${found:-$BUILD_MIRROR}"
}

# The official image is debootstrap's minbase, too, with less of what nobody reads. Certificates that this
# machine trusts besides the usual ones: without them, npm cannot be reached from behind some proxies.
build_base() {
    local root=$WORK/base container log=$WORK/base.log
    build_step base debootstrap --variant=minbase bookworm "$root" "$(build_mirror)"
    rm -rf "$root"/var/{cache/apt,lib/apt/lists,log}/* "$root"/usr/share/{doc,man,info,locale}/*
    [ ! -d /usr/local/share/ca-certificates ] ||
        cp -R /usr/local/share/ca-certificates "$root/usr/local/share/"
    container=$(build_buildah from scratch)
    build_buildah add --quiet "$container" "$root" / > "$log"
    build_buildah config --cmd bash --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
    build_buildah commit --quiet --rm "$container" "$BUILD_BASE" > "$log"
    rm -rf "${root:?}"
}

build_images() {
    local name file
    for name in "${BUILD_IMAGES[@]}"; do
        case $name in
        *-service) file=(-f docker/services/Dockerfile --target "$name") ;;
        *) file=(-f "docker/$name/Dockerfile") ;;
        esac
        build_step "$name" build_buildah build --pull-never --layers=false --format docker --isolation chroot \
            --network host --build-arg "VERSION=$(build_version)" "${file[@]}" -t "prodorder/$name" "$ROOT"
        ! grep '^docs page: ' "$WORK/$name.log" || true
    done
    build_sizes
}

build_version() {
    make -s print-version
}

# What an image adds is what counts: the official base is smaller than ours.
build_sizes() {
    local name base_mb size_mb
    build_size_mb "$BUILD_BASE"
    base_mb=$RET_SIZE_MB
    for name in "${BUILD_IMAGES[@]}"; do
        build_size_mb "localhost/prodorder/$name"
        size_mb=$RET_SIZE_MB
        ui_step "$name" "$size_mb MB: the base has $base_mb MB, ours is $((size_mb - base_mb)) MB"
    done
}

build_size_mb() {
    local container root
    container=$(build_buildah from --pull-never "$1")
    root=$(build_buildah mount "$container")
    RET_SIZE_MB=$(du -sx --block-size=1MB "$root" | cut -f 1)
    build_buildah rm "$container" > /dev/null
}

# build_step NAME COMMAND...: its output goes to WORK/NAME.log, the end of which is shown when it fails.
build_step() {
    local name=$1 begin_ms log=$WORK/$1.log
    shift
    ui_transient "$name" "building"
    ui_now_ms
    begin_ms=$RET_MS
    "$@" > "$log" 2>&1 || {
        ui_bad "$name" failed
        tail -n 30 "$log" | sed 's/^/    /' >&2
        die "images: $name failed (see above)"
    }
    ui_now_ms
    ui_good "$name" "done in $(ui_seconds $((RET_MS - begin_ms)))"
}
