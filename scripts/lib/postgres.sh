# The two private PostgreSQL servers: product-db and order-db.
#
# They listen on 127.0.0.1 only and have no Unix socket (a deep PRODORDER_HOME would not fit into a
# socket's 107 characters). Passwords are made at initdb and kept in STACK_HOME/secrets.

POSTGRES_START_LIMIT_S=60
POSTGRES_STOP_LIMIT_S=60

postgres_prepare() {
    dirs_user postgres
    dirs_server "$1" "$RET_USER"
}

postgres_ports() {
    echo "$1"
}

postgres_start() {
    local name=$1 dir bin version
    postgres_prepare "$name"
    dir=$RET_DIR
    postgres_initdb "$name" "$dir"
    version=$(cat "$dir/data/PG_VERSION" 2> /dev/null) || version=
    bin=$(packages_postgres_bin "$version") ||
        die "$name: its data was made by PostgreSQL $version, whose server is not installed" \
            "Install postgresql-$version, or start anew: ./prodorder clean"
    postgres_clear_remains "$name" "$dir/data"
    postgres_write_conf "$name" "$dir/data/prodorder.conf"
    PROCESS_ENV=()
    process_start "$name" "$RET_USER" "$bin/postgres" -D "$dir/data"
}

# After a kill -9 of the server, its backends end by themselves, soon; a new server must not start
# before. Its postmaster.pid stays, and PostgreSQL would believe it as long as the pid is taken, be it
# by a zombie or another program. Nothing can be using the data once no process is in its directory.
postgres_clear_remains() {
    local name=$1 data=$2 begin_ms
    [ -e "$data/postmaster.pid" ] || return 0
    ui_now_ms
    begin_ms=$RET_MS
    while postgres_is_used "$data"; do
        ui_now_ms
        [ $((RET_MS - begin_ms)) -lt $((POSTGRES_START_LIMIT_S * 1000)) ] ||
            die "$name: processes of a server that died still use $data" \
                "They have that directory as their working directory: ls -l /proc/*/cwd"
        sleep 0.1
    done
    rm -f "$data/postmaster.pid"
}

postgres_is_used() {
    local cwd
    for cwd in /proc/[0-9]*/cwd; do
        [ "$(readlink "$cwd" 2> /dev/null)" != "$1" ] || return 0
    done
    return 1
}

# A directory that holds a half-made cluster (interrupted initdb) has no prodorder.conf: made again.
postgres_initdb() {
    local name=$1 dir=$2 bin log=$STACK_HOME/log/$1.log
    [ ! -e "$dir/data/prodorder.conf" ] || return 0
    bin=$(packages_postgres_bin) ||
        die "PostgreSQL's server programs are not installed" "Run ./configure.sh --install-deps"
    rm -rf "${dir:?}/data"
    dirs_secret_make "$name-admin"
    (umask 077 && echo "$RET_SECRET" > "$dir/password")
    [ -z "$RET_USER" ] || chown "$RET_USER:" "$dir/password"
    as_user "$RET_USER" "$bin/initdb" -D "$dir/data" --username=postgres --auth=scram-sha-256 \
        --pwfile="$dir/password" --encoding=UTF8 --locale=C.UTF-8 --data-checksums >> "$log" 2>&1 ||
        die "$name: initdb failed" "$(tail -n 5 "$log")"
    rm -f "$dir/password"
    echo "include 'prodorder.conf'" >> "$dir/data/postgresql.conf"
}

# Durable above all: an answer to an order means that its WAL is on disk.
postgres_write_conf() {
    settings_port "$1"
    cat > "$2.new" <<END
# Written by ./prodorder at every start.
listen_addresses = '127.0.0.1'
port = $RET_PORT
unix_socket_directories = ''
cluster_name = 'prodorder $1'
max_connections = 100

fsync = on
full_page_writes = on
synchronous_commit = on
wal_compression = on
wal_buffers = 16MB
max_wal_size = 2GB
min_wal_size = 256MB
checkpoint_timeout = 15min
checkpoint_completion_target = 0.9

shared_buffers = 256MB
work_mem = 8MB
maintenance_work_mem = 64MB
effective_cache_size = 1GB
random_page_cost = 1.1
jit = off

# Outboxes are small tables with a high turnover: vacuum them often.
autovacuum_naptime = 15s
autovacuum_vacuum_cost_delay = 1ms

log_destination = 'stderr'
logging_collector = off
log_line_prefix = '%m [%p] %q%u@%d '
log_timezone = 'UTC'
timezone = 'UTC'
log_checkpoints = on
log_lock_waits = on
log_min_duration_statement = 1s
END
    [ -z "$RET_USER" ] || chown "$RET_USER:" "$2.new"
    chmod 600 "$2.new"
    mv -f "$2.new" "$2"
}

# Asked only once the server itself says that it is ready, and as a role that exists: anything else
# is a FATAL line in its log.
postgres_ready() {
    local status
    status=$(sed -n 8p "$STACK_HOME/$1/data/postmaster.pid" 2> /dev/null) && [[ $status == ready* ]] || return 1
    settings_port "$1"
    env -u PGPASSWORD pg_isready -q -t 2 -h 127.0.0.1 -p "$RET_PORT" -U postgres -d postgres
}

# postgres_after_start NAME: its database and the user that owns it, both called product or order.
postgres_after_start() {
    local name=$1 db=${1%-db} password PGPASSWORD PGAPPNAME
    dirs_secret_make "$name"
    password=$RET_SECRET
    ! postgres_is_set_up "$name" || return 0
    postgres_login_admin "$name"
    "${POSTGRES_CLIENT[@]}" -q -v ON_ERROR_STOP=1 -v name="$db" -v password="$password" <<'END' ||
SELECT NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = :'name') AS new_role \gset
\if :new_role
    CREATE ROLE :"name" LOGIN;
\endif
ALTER ROLE :"name" PASSWORD :'password';
SELECT NOT EXISTS (SELECT 1 FROM pg_database WHERE datname = :'name') AS new_database \gset
\if :new_database
    CREATE DATABASE :"name" OWNER :"name";
\endif
END
        die "$name: could not create its database" "See $STACK_HOME/log/$name.log"
}

# postgres_is_set_up NAME: can the service's user log in? Tried only when there is such a user.
postgres_is_set_up() {
    local db=${1%-db}
    postgres_login_admin "$1"
    [ "$("${POSTGRES_CLIENT[@]}" -qAtc "SELECT 1 FROM pg_roles, pg_database
        WHERE rolname = '$db' AND datname = '$db'")" = 1 ] || return 1
    postgres_login "$1"
    "${POSTGRES_CLIENT[@]}" -qc 'SELECT 1' > /dev/null 2>&1
}

# postgres_login NAME: sets POSTGRES_CLIENT, a psql command line connected as the service's user.
postgres_login() {
    local db=${1%-db}
    settings_port "$1"
    dirs_secret "$1"
    export PGPASSWORD=$RET_SECRET PGAPPNAME=prodorder
    POSTGRES_CLIENT=(psql -X -h 127.0.0.1 -p "$RET_PORT" -U "$db" -d "$db")
}

postgres_login_admin() {
    settings_port "$1"
    dirs_secret "$1-admin"
    export PGPASSWORD=$RET_SECRET PGAPPNAME=prodorder
    POSTGRES_CLIENT=(psql -X -h 127.0.0.1 -p "$RET_PORT" -U postgres -d postgres)
}

# SIGINT is PostgreSQL's fast shutdown: open transactions are rolled back, then a checkpoint.
postgres_stop() {
    process_stop "$1" INT "$POSTGRES_STOP_LIMIT_S"
}

postgres_env() {
    local db=${1%-db}
    settings_port "$1"
    dirs_secret "$1"
    printf '%s\n' PGHOST=127.0.0.1 "PGPORT=$RET_PORT" "PGUSER=$db" "PGDATABASE=$db" "PGPASSWORD=$RET_SECRET"
}
