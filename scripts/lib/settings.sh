# Where the stack lives and which ports it has: PRODORDER_HOME, PRODORDER_PORT_OFFSET,
# PRODORDER_LISTEN, PRODORDER_BUILD.

# The names that people use, in the order in which things start.
STACK_BACKENDS=(product-db order-db product-redis order-redis rabbitmq)
STACK_SERVICES=(product-service order-service)
STACK_OURS=("${STACK_SERVICES[@]}" gateway)
STACK_ALL=("${STACK_BACKENDS[@]}" "${STACK_SERVICES[@]}" gateway)

# Ports at offset 0. The last two are RabbitMQ's own: Erlang distribution and its port mapper.
declare -A SETTINGS_PORTS=(
    [gateway]=4000 [gateway-tls]=4443 [product-service]=3001 [order-service]=3002
    [product-db]=5433 [order-db]=5434 [product-redis]=6381 [order-redis]=6382
    [rabbitmq]=5673 [rabbitmq-management]=15672
    [rabbitmq-distribution]=15673 [rabbitmq-epmd]=15674
)
SETTINGS_OFFSET_MAX=$((65535 - 15674))

# Processes of each service: product-service, product-service-2, …; each ten ports above the one before.
STACK_REPLICAS=1
SETTINGS_REPLICAS_MAX=9
SETTINGS_REPLICA_PORTS=10

# settings_load: from the environment, else from what the running stack was started with, else the
# defaults. Sets STACK_HOME (absolute), STACK_OFFSET, STACK_LISTEN, STACK_BUILD (absolute).
settings_load() {
    local saved_offset='' saved_listen='' saved_replicas='' home=${PRODORDER_HOME:-var}
    case $home in
    /*) STACK_HOME=$home ;;
    *) STACK_HOME=$ROOT/$home ;;
    esac
    STACK_HOME=${STACK_HOME%/}
    [[ $STACK_HOME != *[[:space:]\'\"\;\$\{\}]* ]] ||
        die "PRODORDER_HOME '$STACK_HOME' has a space, quote, brace, dollar or semicolon in its path" \
            "Choose another directory, for example PRODORDER_HOME=/tmp/prodorder"
    if [ -f "$STACK_HOME/run/settings" ]; then
        read -r saved_offset saved_listen saved_replicas < "$STACK_HOME/run/settings" || true
    fi
    STACK_OFFSET=${PRODORDER_PORT_OFFSET:-${saved_offset:-0}}
    STACK_LISTEN=${PRODORDER_LISTEN:-${saved_listen:-127.0.0.1}}
    STACK_SAVED="$saved_offset $saved_listen"
    settings_replicas "${saved_replicas:-1}"
    STACK_REPLICAS_SAVED=$STACK_REPLICAS
    settings_check
    STACK_BUILD=${PRODORDER_BUILD:-build}
    [[ $STACK_BUILD == /* ]] || STACK_BUILD=$ROOT/$STACK_BUILD
}

# settings_replicas N: so many processes of each service; all lists of names follow.
settings_replicas() {
    local service i
    [[ $1 =~ ^[1-9]$ ]] || usage_error "--replicas must be a number from 1 to $SETTINGS_REPLICAS_MAX, not '$1'"
    STACK_REPLICAS=$1
    STACK_SERVICES=()
    for service in product-service order-service; do
        STACK_SERVICES+=("$service")
        for ((i = 2; i <= STACK_REPLICAS; i++)); do
            STACK_SERVICES+=("$service-$i")
            SETTINGS_PORTS[$service-$i]=$((${SETTINGS_PORTS[$service]} + (i - 1) * SETTINGS_REPLICA_PORTS))
        done
    done
    STACK_OURS=("${STACK_SERVICES[@]}" gateway)
    STACK_ALL=("${STACK_BACKENDS[@]}" "${STACK_SERVICES[@]}" gateway)
}

# settings_service NAME: which service it is a process of (sets RET_SERVICE).
settings_service() {
    RET_SERVICE=${1%-[2-9]}
}

settings_check() {
    [[ $STACK_OFFSET =~ ^[0-9]{1,5}$ ]] && [ "$((10#$STACK_OFFSET))" -le "$SETTINGS_OFFSET_MAX" ] ||
        die "PRODORDER_PORT_OFFSET must be a number from 0 to $SETTINGS_OFFSET_MAX, not '$STACK_OFFSET'"
    STACK_OFFSET=$((10#$STACK_OFFSET))
    [[ $STACK_LISTEN =~ ^([0-9]{1,3}(\.[0-9]{1,3}){3}|\[[0-9A-Fa-f:]+\])$ ]] ||
        die "PRODORDER_LISTEN must be an IPv4 address, or an IPv6 address in brackets, not '$STACK_LISTEN'" \
            "Everywhere: PRODORDER_LISTEN=0.0.0.0   only this machine (default): 127.0.0.1"
}

# settings_warn_unknown: a variable that is misspelt would be ignored without a word.
settings_warn_unknown() {
    local name
    for name in $(compgen -v PRODORDER_); do
        case ${name#PRODORDER_} in
        HOME | PORT_OFFSET | LISTEN | BUILD | TLS_CERT | TLS_KEY | TEST_* | GATEWAY_URL | GATEWAY_TLS_URL) ;;
        *) ui_warn "there is no variable $name; ./prodorder help lists them" ;;
        esac
    done
}

# settings_keep: remember them for the commands that follow `up`.
settings_keep() {
    settings_require_same
    printf '%s\n' "$STACK_OFFSET $STACK_LISTEN $STACK_REPLICAS" > "$STACK_HOME/run/settings"
}

# settings_require_same: a running stack keeps its own. Others would look for its processes, or start
# new ones, where they are not.
settings_require_same() {
    local now="$STACK_OFFSET $STACK_LISTEN"
    if [ "$STACK_SAVED" != " " ] && [ "$STACK_SAVED" != "$now" ] && process_any_alive; then
        die "the stack in $STACK_HOME runs with port offset and address '$STACK_SAVED', not '$now'" \
            "Unset PRODORDER_PORT_OFFSET and PRODORDER_LISTEN to mean that stack." \
            "For other ports, run ./prodorder down first, or use another PRODORDER_HOME."
    fi
}

settings_port() {
    RET_PORT=$((${SETTINGS_PORTS[$1]} + STACK_OFFSET))
}

# The address on which this machine reaches the gateway.
settings_gateway_host() {
    case $STACK_LISTEN in
    0.0.0.0) echo 127.0.0.1 ;;
    '[::]') echo '[::1]' ;;
    *) echo "$STACK_LISTEN" ;;
    esac
}

settings_url() {
    settings_port "$1"
    case $1 in
    gateway) echo "http://$(settings_gateway_host):$RET_PORT" ;;
    *) echo "http://127.0.0.1:$RET_PORT" ;;
    esac
}

# settings_is_name NAME: is it one of the processes?
settings_is_name() {
    [[ " ${STACK_ALL[*]} " == *" $1 "* ]]
}

settings_require_name() {
    [[ $1 != -* ]] || usage_error "there is no option '$1'"
    [[ " ${*:2} " == *" $1 "* ]] || settings_is_name "$1" ||
        usage_error "there is no process '$1'" "Names: ${STACK_ALL[*]}${2:+ ${*:2}}"
}

# kind_of NAME: which of the scripts/lib files knows how to run it (sets RET_KIND).
kind_of() {
    case $1 in
    *-db) RET_KIND=postgres ;;
    *-redis) RET_KIND=redis ;;
    rabbitmq) RET_KIND=rabbitmq ;;
    *-service | *-service-[2-9]) RET_KIND=service ;;
    gateway) RET_KIND=gateway ;;
    esac
}
