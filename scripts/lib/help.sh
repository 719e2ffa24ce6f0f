# Help: the list of commands, and a page for each.

help_print() {
    case $1 in
    '') help_all ;;
    up | down | clean | status | restart | logs | psql | redis | env | trace | audit | dlq | order | test | bench) "help_$1" ;;
    *) usage_error "there is no command '$1'" ;;
    esac
}

help_all() {
    cat <<END
Usage: ./prodorder COMMAND [ARGS]

  up [--replicas N] [NAME...]  install, build, start and wait until orders can be placed
  down [NAME...]          stop; data stays
  clean                   stop and delete the data
  status                  one line for each process; exit 1 when one is not healthy
  restart NAME...         stop and start again
  logs [NAME...|all] [-f] the end of our programs' logs, or of these; -f follows them
  psql product|order      the real psql, connected (further arguments are psql's)
  redis product|order     the real redis-cli, connected (further arguments are redis-cli's)
  env NAME                the environment that a process is started with
  trace ID                the timeline of one request (its id), or of an order (order:NUMBER)
  audit                   do the books balance? orders, ledger, stock, prices, queues, caches; exit 1 when not
  dlq list|show|replay|purge  events that can never succeed: how many and why; one whole; again; away
  order resolve ID... [END]  ends an order that nothing else can end; makes the books say what it says
  test [SUITE...]         run the tests on an isolated second stack
  bench [NAME]            run the benchmarks, or a script of k6/
  help [COMMAND]          this list, or what a command does exactly

Names: ${STACK_ALL[*]}

Environment:
  PRODORDER_HOME          run directory: data, logs, passwords (default ./var)
  PRODORDER_PORT_OFFSET   added to every port (default 0)
  PRODORDER_LISTEN        address on which the gateway listens (default 127.0.0.1)
  PRODORDER_TLS_CERT,     certificate (chain) and private key, files in PEM: the gateway also answers
  PRODORDER_TLS_KEY       over TLS, with HTTP/2, at port 4443; remembered while the stack runs
  PRODORDER_BUILD         build directory to run from (default ./build), e.g. build/asan
END
}

help_up() {
    cat <<END
Usage: ./prodorder up [--replicas N] [NAME...]

Installs missing packages (./configure.sh --install-deps; needs root or sudo), configures, builds,
creates the databases, starts everything, waits until it is ready, and loads mock/products.json when
there are no products. Running it again is harmless and fast: it starts what has died, and restarts
our own programs when they have been built anew, and RabbitMQ when its settings have changed. With
names, starts only these.

What a version before has left is taken over: both services are stopped before either starts anew,
databases are migrated, and classic queues become quorum queues with all that is in them
(scripts/convert-queues --help), unless RABBITMQ_QUEUE_TYPE=classic. What is interrupted goes on with
the next up.

nginx.conf, openapi.json, asyncapi.json, conf/ and a renewed certificate are applied with a reload: no
connection is refused. When nginx refuses them, nothing is stopped or started, and a running gateway keeps what it has.

--replicas N (1 to 9) runs N processes of each service behind the gateway, product-service and
product-service-2, …; the next up without it keeps their number, --replicas 1 goes back. Each answers at a
port of its own: 3001, 3011, 3021 …

Exit 0 only when an order can be placed (with names: when these are ready).
Names: ${STACK_ALL[*]}
END
}

help_down() {
    cat <<END
Usage: ./prodorder down [NAME...]

Stops everything gracefully: the gateway, then the services, then RabbitMQ, Redis and PostgreSQL.
Data stays in PRODORDER_HOME. With names, stops only these.
END
}

help_clean() {
    cat <<END
Usage: ./prodorder clean

Stops everything and deletes the databases, queues, logs and passwords in PRODORDER_HOME.
END
}

help_status() {
    cat <<END
Usage: ./prodorder status

One line for each process: name, pid, port, health, uptime, memory (with its children, shared pages
counted once). Exit 1 when one does not run or is not healthy. A service that is degraded serves, but
without Redis or RabbitMQ: orders are stored, and wait.
END
}

help_restart() {
    cat <<END
Usage: ./prodorder restart NAME...

Stops the processes gracefully, starts them again and waits until they are ready. Nothing is stopped
when nginx refuses the gateway's configuration.
Names: ${STACK_ALL[*]}
END
}

help_logs() {
    cat <<END
Usage: ./prodorder logs [NAME...|all] [-f]

The last 100 lines of the logs in PRODORDER_HOME/log; -f follows them. Without a name, those of our
own programs: ${STACK_OURS[*]}. They write one JSON object a line:
./prodorder logs order-service | jq .

gateway is the gateway's access log; nginx's own messages are text, in gateway-errors.

Names: ${STACK_ALL[*]} gateway-errors all
END
}

help_psql() {
    cat <<END
Usage: ./prodorder psql product|order [ARGS]

psql, connected to that database as the service's own user. Example:
  ./prodorder psql order -c 'SELECT status, count(*) FROM orders GROUP BY status'
END
}

help_redis() {
    cat <<END
Usage: ./prodorder redis product|order [ARGS]

redis-cli, connected to that cache. Example:
  ./prodorder redis product GET product:1
END
}

help_env() {
    cat <<END
Usage: ./prodorder env NAME

Prints KEY=VALUE lines, passwords included: of a service, what it is started with (besides what is in
your own environment: LOG_LEVEL=debug ./prodorder restart order-service); of a server, what its clients
need. To run a service in a debugger: env \$(./prodorder env order-service) gdb build/order-service
END
}

help_trace() {
    cat <<END
Usage: ./prodorder trace [--json] REQUEST_ID|TRACE_ID|order:NUMBER

The timeline of one request through gateway, services, broker and databases: from the logs in
PRODORDER_HOME/log, and from what is stored of it. TRACE_ID is 32 hexadecimal digits, or a whole
traceparent, in lower or upper case. A request id is in every answer: the header X-Request-Id, the
member requestId. What begins with order: is always taken as an order.

Times are UTC, "ms" is the time since the first event. Several requests have a heading each. Where a
service began is computed from how long it took, to within 2 ms. --json prints the same for machines.
Exit 0: found; 1: nothing is known of it; 2: that is no id.

  curl -si \$URL/orders ... | grep -i x-request-id
  ./prodorder trace 6de58a79-4041-4285-a7c2-790e5308470f
  ./prodorder trace order:1001
END
}

help_order() {
    cat <<END
Usage: ./prodorder order resolve ID... [done|rejected|cancelled|gone] [--why TEXT] [--by NAME]

An order that waits, and that nothing else can end, is ended: the ledger has it with another product or
quantity, nobody tells it again (audit: below the mark), or it waits for more than 5 minutes while the queues
are empty and consumed. done takes its stock, if there is enough; rejected takes none. Refused while the order
can still end by itself.

An order that has ended stays as it is (no end need be given): ledger, stock, price list and cancellation are
made to say the same. gone: what the ledger has and is no order goes, and the stock that it took is back.

Who, why, and what the ledger had before are kept in the table resolutions of the order database.

Without a stack in PRODORDER_HOME, or with one of them set, it goes where the variables of
./prodorder help audit say; with containers:
docker compose run --rm admin order resolve ID rejected
END
}

help_audit() {
    cat <<END
Usage: ./prodorder audit [--json] [--full] [--repair]

Reconciles both databases, the broker and the caches of a running system: orders against the ledger both ways, stock,
what waits and for how long, cancellations, prices, idempotency keys, sequences, outboxes, queues, dead letters, caches. Each
check is printed with what it looked at and up to 20 ids of what breaks it, what to do, and the command that
does it. It only reads; what is under way is no finding.

--full compares all orders; without it, those since the last audit that found nothing wrong. Give it after
somebody has changed rows by hand, and now and then: once a week, say. --repair does
what is safe: it tells waiting orders again and drops caches that differ; then it looks again, and what is
left a person must decide. --json is for machines.
Exit 0: the books balance; 1: a promise is broken, or something could not be looked at.

Without a stack in PRODORDER_HOME, or with one of them set, it goes where these say: ORDER_DATABASE_URL, PRODUCT_DATABASE_URL,
ORDER_REDIS_URL, PRODUCT_REDIS_URL, RABBITMQ_URL (or each with _FILE: a file that holds it); with containers:
docker compose run --rm admin audit
END
}

help_dlq() {
    cat <<END
Usage: ./prodorder dlq list [--json] [FILTER] [QUEUE]
       ./prodorder dlq show QUEUE ID
       ./prodorder dlq replay QUEUE ID...|--all [FILTER]
       ./prodorder dlq purge QUEUE ID...|--all [FILTER] [--yes]

Dead-lettered events. list: how many in each queue, why and since when, with up to 20 ids of each
reason. show: one whole, as JSON. replay: back into the queue that they came from; what was replayed
already does no harm. purge: away; it asks first, unless --yes.

QUEUE is order.created.product-service for instance, with or without .dlq. FILTER is --reason TEXT (its
reason has this in it) and --older-than AGE (90s, 15m, 12h, 7d).

Without a stack in PRODORDER_HOME, or with RABBITMQ_URL set, it goes where that says; in containers:
docker compose exec order-service prodorder-admin dlq list
END
}

help_test() {
    tests_available
    cat <<END
Usage: ./prodorder test [$(tr ' ' '|' <<< "${RET_SUITES[*]}")|all]...

Builds and runs the tests. Those that need the whole stack run on one of their own, in
PRODORDER_HOME/test and on other ports, so that a stack in use is not touched.

$(for one in "${RET_SUITES[@]}"; do printf '  %-9s %s\n' "$one" "${TESTS_ABOUT[$one]}"; done)
  all       all of these

Without a name: unit, control, gateway and flow. The last line is "N passed, N failed"; exit 1 when
a test failed. PRODORDER_TEST_KEEP=1 leaves the test stack running afterwards,
PRODORDER_TEST_PORT_OFFSET chooses its ports, PRODORDER_BUILD=build/asan the programs to test,
PRODORDER_TEST_KILLS=3 kills at every point all that can die (fault; over an hour).
END
}

help_bench() {
    cat <<END
Usage: ./prodorder bench [--against DIR] [--record] [--plot] [NAME]...

Runs the benchmarks on a stack of their own; results are printed and kept in bench/results/, with plots.

  latency      one order at a time on an idle stack: its answer, and until it is done
  orders       orders through the gateway     order-port   at the order-service's own port
  floor        what nginx, PostgreSQL and RabbitMQ alone must spend on an order
  product      one product                    order-list   the first page of 50,000 orders
  gateway      with its module and without, in turn: what the module costs
  validator    the validator alone, beside ajv; needs no stack
  rate         1,000 orders a second          soak         10 minutes at 80 % of what is possible
  growth       with 1 and 10 million stored orders, in turn with an empty system
  k6-profile script|steady|mixed|spike|soak
               a script of k6/, with k6 or without: exit 1 when a threshold is broken

Without a name: all but the last four. --against: another checkout, in turn; --record: into bench/history.jsonl.
bench/README.md has figures, "bench/run.pl --help" the variables.
END
}

help_after_up() {
    local gateway management self
    gateway=$(settings_url gateway)
    settings_port rabbitmq-management
    management=$RET_PORT
    help_self
    self=$RET_SELF
    cat <<END

$UI_GREEN${UI_BOLD}prodorder is ready.$UI_RESET

  API               $(help_url "$gateway")$(! tls_is_on || printf ', %s' "$(help_url "$(tls_url)")")
  read and try it   $(help_url "$gateway/docs/")
  product-service   $(help_url "$(settings_url product-service)")
  order-service     $(help_url "$(settings_url order-service)")
  RabbitMQ UI       $(help_url "http://127.0.0.1:$management")   (guest / guest)
  data and logs     $STACK_HOME

${UI_BOLD}Place an order, see what became of it, and what runs:$UI_RESET

  curl -s $gateway/orders -H 'Content-Type: application/json' -H 'X-Request-Id: try-1' -d '{"productId":1,"quantity":2}'
  $self trace try-1
  $self status

${UI_BOLD}To stop:$UI_RESET $self down   (data stays; $self clean deletes it)
END
}

help_url() {
    printf '%s' "$UI_CYAN$1$UI_RESET"
}

# help_self: this script as its user would call it again for this stack (sets RET_SELF).
help_self() {
    RET_SELF=./prodorder
    [ "$PWD" = "$ROOT" ] || RET_SELF=$ROOT/prodorder
    [ -z "${PRODORDER_HOME:-}" ] || RET_SELF="PRODORDER_HOME=$STACK_HOME $RET_SELF"
}
