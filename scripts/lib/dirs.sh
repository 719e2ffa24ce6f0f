# The run directory: STACK_HOME/{run,log,secrets} and one directory for each server.

STACK_MARKER=.prodorder

dirs_prepare() {
    if [ -d "$STACK_HOME" ] && [ ! -e "$STACK_HOME/$STACK_MARKER" ] &&
        [ -n "$(ls -A "$STACK_HOME")" ] && [ "$STACK_HOME" != "$ROOT/var" ]; then
        die "PRODORDER_HOME $STACK_HOME is not empty and was not made by prodorder" \
            "Choose an empty or a new directory."
    fi
    (umask 022 && mkdir -p "$STACK_HOME" && mkdir -p "$STACK_HOME/run" "$STACK_HOME/log") ||
        die "cannot create $STACK_HOME" "Set PRODORDER_HOME to a directory that you can write to."
    (umask 077 && mkdir -p "$STACK_HOME/secrets")
    [ -e "$STACK_HOME/$STACK_MARKER" ] || : > "$STACK_HOME/$STACK_MARKER"
}

# dirs_server NAME USER: the directory that NAME's server owns (sets RET_DIR), created on first use.
#
# USER is empty when servers run as the caller. A USER that cannot reach STACK_HOME (a checkout in
# /root, say) gets its directory in /var/lib/prodorder-ID, with a link to it in STACK_HOME.
dirs_server() {
    local name=$1 user=$2 link=$STACK_HOME/$1
    if [ -e "$link" ]; then
        RET_DIR=$(readlink -f "$link")
        dirs_reachable "$RET_DIR" "$user" ||
            die "user $user cannot reach $RET_DIR any more" \
                "Give the directories above it their x permission back, or start anew: ./prodorder clean"
        return
    fi
    if dirs_reachable "$STACK_HOME" "$user"; then
        RET_DIR=$link
    else
        RET_DIR=$(dirs_private)/$name
        (umask 022 && mkdir -p "$(dirs_private)")
        ln -sfn "$RET_DIR" "$link"
    fi
    (umask 077 && mkdir -p "$RET_DIR")
    [ -z "$user" ] || chown "$user:" "$RET_DIR"
}

dirs_reachable() {
    [ -z "$2" ] || as_user "$2" test -x "$1"
}

# Say once where the data is, when it is not where one would look.
dirs_announce() {
    [ "$(id -u)" -eq 0 ] && [ ! -d "$(dirs_private)" ] && ! dirs_reachable "$STACK_HOME" nobody || return 0
    ui_say "The servers' own users cannot enter $STACK_HOME: their data goes to $(dirs_private)."
}

dirs_private() {
    local id
    id=$(printf '%s' "$STACK_HOME" | sha256sum)
    echo "/var/lib/prodorder-${id:0:12}"
}

# as_user USER COMMAND...: run it as USER, or as the caller when USER is empty.
as_user() {
    local user=$1
    shift
    if [ -z "$user" ]; then
        "$@"
    else
        setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups "$@"
    fi
}

# dirs_user USER: the account for a server (sets RET_USER): USER when we are root, nobody else's otherwise.
dirs_user() {
    RET_USER=
    [ "$(id -u)" -eq 0 ] || return 0
    id -u "$1" > /dev/null 2>&1 || die "user $1, which comes with the server's package, does not exist" \
        "Run ./configure.sh --install-deps"
    RET_USER=$1
}

# dirs_require_ours: commands on a stack are for the user who started it: the passwords are his, and files that
# root would make in it would be in his way.
dirs_require_ours() {
    [ ! -d "$STACK_HOME/run" ] || [ -O "$STACK_HOME/run" ] ||
        die "$STACK_HOME belongs to user $(stat -c %U "$STACK_HOME/run")" \
            "Run this command as that user, or use another PRODORDER_HOME."
}

# dirs_secret NAME: a password kept in STACK_HOME/secrets (sets RET_SECRET).
dirs_secret() {
    local file=$STACK_HOME/secrets/$1
    if [ ! -s "$file" ] && [ -e "$STACK_HOME/${1%-admin}/data/prodorder.conf" ]; then
        die "the password for $1 is gone: $file" "Restore that file, or start anew, without the data: ./prodorder clean"
    fi
    [ -s "$file" ] || die "there is no password for $1 yet: $file" "It is made by ./prodorder up"
    RET_SECRET=$(< "$file")
}

# dirs_secret_make NAME: the same, made on first use.
dirs_secret_make() {
    local file=$STACK_HOME/secrets/$1
    if [ ! -s "$file" ]; then
        (umask 077 && od -An -N24 -tx1 /dev/urandom | tr -d ' \n' > "$file.new" && mv "$file.new" "$file")
    fi
    dirs_secret "$1"
}

# Delete what dirs_* made, and nothing else that may be in STACK_HOME.
dirs_clean() {
    local name private
    [ -e "$STACK_HOME/$STACK_MARKER" ] || return 0
    private=$(dirs_private)
    rm -rf "${private:?}"
    for name in "${STACK_ALL[@]}" log run secrets; do
        rm -rf "${STACK_HOME:?}/$name"
    done
    rm -f "$STACK_HOME/lock" "$STACK_HOME/test.lock" "$STACK_HOME/test-up.log"
    # Something else in it, the test stack perhaps: still ours.
    [ "$(ls -A "$STACK_HOME")" != "$STACK_MARKER" ] || rm -rf "${STACK_HOME:?}"
}
