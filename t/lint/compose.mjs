// docker-compose.yml, as docker-compose config prints it, against the contract: names, ports, what each
// container may do; and .env.example against the variables that docker-compose.yml has.
//
// Usage: docker-compose --profile load config | node t/lint/compose.mjs ROOT
//
// Prints a line for each mistake; exit 1 when there is one.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const { parse } = createRequire(import.meta.url)('yaml');

// Published port: port in the container.
const PORTS = {
    'product-db': { 5433: 5432 },
    'order-db': { 5434: 5432 },
    'product-redis': { 6379: 6379 },
    'order-redis': { 6380: 6379 },
    rabbitmq: { 5672: 5672, 15672: 15672 },
    'product-service': { 3001: 3001 },
    'order-service': { 3002: 3002 },
    'api-gateway': { 4000: 4000 },
    catalogue: {},
    admin: {},
    k6: {},
};
const OURS = ['product-service', 'order-service', 'api-gateway', 'catalogue', 'admin'];
// Dockerfile, and the target in it.
const DOCKERFILES = {
    'product-service': ['docker/services/Dockerfile', 'product-service'],
    'order-service': ['docker/services/Dockerfile', 'order-service'],
    'api-gateway': ['docker/api-gateway/Dockerfile', undefined],
};
const ONE_SHOT = ['catalogue', 'admin', 'k6'];
const KEPT = {
    'product-db': '/var/lib/postgresql/data',
    'order-db': '/var/lib/postgresql/data',
    rabbitmq: '/var/lib/rabbitmq',
    'api-gateway': '/run/prodorder',
};
const DATABASE_HEALTH = ['CMD-SHELL', 'pg_isready -q -h 127.0.0.1 -U "$$POSTGRES_USER" -d "$$POSTGRES_DB"'];
// Our own images have theirs.
const HEALTH = {
    'product-db': DATABASE_HEALTH,
    'order-db': DATABASE_HEALTH,
    'product-redis': ['CMD', 'redis-cli', 'ping'],
    'order-redis': ['CMD', 'redis-cli', 'ping'],
    rabbitmq: ['CMD', 'rabbitmq-diagnostics', '-q', 'check_port_listener', '5672'],
    catalogue: ['NONE'],
    admin: ['NONE'],
};
const HEALTHY = 'service_healthy';
const WAITS = {
    'product-service': { 'product-db': HEALTHY, 'product-redis': HEALTHY, rabbitmq: HEALTHY },
    'order-service': { 'order-db': HEALTHY, 'order-redis': HEALTHY, rabbitmq: HEALTHY, 'product-service': HEALTHY },
    'api-gateway': { 'product-service': HEALTHY, 'order-service': HEALTHY },
    catalogue: { 'product-service': HEALTHY },
    k6: { 'api-gateway': HEALTHY, catalogue: 'service_completed_successfully' },
};
const ENVIRONMENT = {
    'product-service': {
        PORT: 3001,
        LISTEN_ADDRESS: '0.0.0.0',
        DB_HOST: 'product-db',
        DB_PORT: 5432,
        DB_NAME: 'product',
        REDIS_HOST: 'product-redis',
        REDIS_PORT: 6379,
    },
    'order-service': {
        PORT: 3002,
        LISTEN_ADDRESS: '0.0.0.0',
        DB_HOST: 'order-db',
        DB_PORT: 5432,
        DB_NAME: 'order',
        REDIS_HOST: 'order-redis',
        REDIS_PORT: 6379,
        PRODUCT_SERVICE_URL: 'http://product-service:3001',
    },
    catalogue: { PRODUCT_SERVICE_URL: 'http://product-service:3001' },
    admin: {
        ORDER_DATABASE_URL: 'postgresql://order:order@order-db:5432/order',
        PRODUCT_DATABASE_URL: 'postgresql://product:product@product-db:5432/product',
        ORDER_REDIS_URL: 'redis://order-redis:6379',
        PRODUCT_REDIS_URL: 'redis://product-redis:6379',
        RABBITMQ_URL: 'amqp://guest:guest@rabbitmq:5672/',
    },
    'api-gateway': {
        PORT: 4000,
        LISTEN_ADDRESS: '0.0.0.0',
        PRODUCT_SERVICE_ADDRESS: 'product-service:3001',
        ORDER_SERVICE_ADDRESS: 'order-service:3002',
        RUN_DIRECTORY: '/run/prodorder',
    },
    k6: { BASE_URL: 'http://order-service:3002', GATEWAY_URL: 'http://api-gateway:4000' },
};
const DRAIN_S = 10;
const PIDS_MAX = 1024;

const [root] = process.argv.slice(2);
const release = readFileSync(`${root}/Makefile`, 'utf8').match(/^RELEASE := (\S+)$/m)[1];
let mistakes = 0;

function mistake(message) {
    console.log(`docker-compose.yml: ${message}`);
    mistakes++;
}

function same(what, got, wanted) {
    const [a, b] = [got, wanted].map((one) => JSON.stringify(one ?? null));
    if (a !== b) mistake(`${what} is ${a}, not ${b}`);
}

function sorted(object) {
    return Object.fromEntries(Object.entries(object ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function checkPorts(name, ports = []) {
    const published = {};
    for (const one of ports) {
        const [, address, outside, inside] = `${one}`.match(/^(.*):(\d+):(\d+)\/tcp$/) ?? [, '', one, NaN];
        same(`${name}: port ${outside} is published where that`, address, '127.0.0.1');
        published[outside] = Number(inside);
    }
    same(`${name}: what is published`, sorted(published), sorted(PORTS[name]));
}

function checkService(name, service) {
    checkPorts(name, service.ports);
    const waits = Object.entries(service.depends_on ?? {}).map(([on, { condition }]) => [on, condition]);
    same(`${name}: depends_on`, sorted(Object.fromEntries(waits)), sorted(WAITS[name]));
    for (const [variable, value] of Object.entries(ENVIRONMENT[name] ?? {})) {
        same(`${name}: ${variable}`, `${service.environment?.[variable]}`, `${value}`);
    }
    same(`${name}: restart`, service.restart, ONE_SHOT.includes(name) ? 'no' : 'unless-stopped');
    same(`${name}: pids_limit`, service.pids_limit, PIDS_MAX);
    same(`${name}: security_opt`, service.security_opt, ['no-new-privileges:true']);
    same(`${name}: the log's max-file`, service.logging?.options?.['max-file'], '3');
    same(`${name}: the log's max-size`, service.logging?.options?.['max-size'], '10m');
    if (!(service.cpus > 0 && service.cpus <= 1)) {
        mistake(`${name}: cpus is ${service.cpus}: more than a machine may have, or no limit`);
    }
    if (!/^\d+m$/.test(service.mem_limit ?? '')) mistake(`${name}: mem_limit is ${service.mem_limit}`);
    if (service.privileged || service.network_mode) mistake(`${name}: it is privileged, or in another's network`);
    if (OURS.includes(name)) checkOurs(name, service);
    same(`${name}: its health check`, service.healthcheck?.test, HEALTH[name]);
    if (KEPT[name]) {
        const volume = (service.volumes ?? []).find((one) => one.split(':')[1] === KEPT[name]) ?? 'none';
        same(`${name}: the volume of its data`, volume.split(':')[0], name);
    }
}

function checkOurs(name, service) {
    same(`${name}: read_only`, service.read_only, true);
    same(`${name}: cap_drop`, service.cap_drop, ['ALL']);
    const grace = service.stop_grace_period;
    if (!(parseInt(grace) > DRAIN_S)) mistake(`${name}: stop_grace_period ${grace} is within the drain's ${DRAIN_S} s`);
    const image = { catalogue: 'product-service', admin: 'order-service' }[name] ?? name;
    const [file, target] = DOCKERFILES[image];
    same(`${name}: its Dockerfile`, service.build?.dockerfile, file);
    same(`${name}: its target there`, service.build?.target, target);
    same(`${name}: its image`, service.image, `prodorder/${image}:latest`);
    same(`${name}: the version that is built in`, service.build?.args?.VERSION, release);
    const copied = copiedInto(image);
    for (const path of (service.entrypoint ?? []).filter((one) => !copied.includes(one))) {
        mistake(`${name}: entrypoint: ${path} is not in the image of ${image}`);
    }
}

// The files that the image gets by COPY, in the last stages of its Dockerfile, by their full names.
function copiedInto(image) {
    const [file, target] = DOCKERFILES[image];
    const stages = readFileSync(`${root}/${file}`, 'utf8').split(/^FROM /m);
    const mine = target ? stages.filter((one) => one.split('\n')[0].match(` AS (service|${target})$`)) : stages.slice(-1);
    const directory = mine[0]?.match(/^WORKDIR (\S+)$/m)?.[1];
    return mine.flatMap((stage) => [...stage.matchAll(/^COPY .* (\S+)$/gm)])
        .map(([, to]) => (to.startsWith('/') ? to : `${directory}/${to}`));
}

// What a service is told is what the container that it calls was told.
function checkAccounts(services) {
    const broker = services.rabbitmq.environment ?? {};
    const account = `${broker.RABBITMQ_DEFAULT_USER}:${broker.RABBITMQ_DEFAULT_PASS}`;
    for (const side of ['product', 'order']) {
        const { environment } = services[`${side}-service`];
        const database = services[`${side}-db`].environment ?? {};
        for (const [ours, theirs] of [['USER', 'USER'], ['PASSWORD', 'PASSWORD'], ['NAME', 'DB']]) {
            const what = `${side}-service: DB_${ours}, beside ${side}-db's POSTGRES_${theirs},`;
            same(what, environment[`DB_${ours}`], database[`POSTGRES_${theirs}`]);
        }
        same(`${side}-service: RABBITMQ_URL`, environment.RABBITMQ_URL, `amqp://${account}@rabbitmq:5672/`);
    }
}

function checkBackends(services) {
    for (const name of ['product-redis', 'order-redis']) {
        const command = services[name].command.join(' ');
        for (const wanted of ['--save  ', '--appendonly no', '--maxmemory 128mb', '--maxmemory-policy allkeys-lru']) {
            if (!command.includes(wanted)) mistake(`${name}: its command has no ${wanted}`);
        }
    }
    for (const name of ['product-db', 'order-db']) {
        for (const wanted of ['-cfsync=on', '-csynchronous_commit=on', '-cfull_page_writes=on']) {
            const { command } = services[name];
            if (!command.includes(wanted)) mistake(`${name}: no ${wanted}: what is committed must be on disk`);
        }
    }
    if (!services.rabbitmq.hostname) mistake('rabbitmq: without a hostname, a new container does not find its data');
}

// Every variable of docker-compose.yml is in .env.example, with the same default, and no other is.
function checkVariables() {
    const compose = readFileSync(`${root}/docker-compose.yml`, 'utf8').replace(/^\s*#.*$/gm, '').replace(/\$\$/g, '');
    const used = {};
    for (const [whole, name, value] of compose.matchAll(/\$\{?(\w+)(?::-([^}]*))?\}?/g)) {
        if (value === undefined) mistake(`${whole} has no default`);
        if (name in used && used[name] !== value) mistake(`${name} has two defaults: ${used[name]} and ${value}`);
        used[name] = value;
    }
    const lines = readFileSync(`${root}/.env.example`, 'utf8').matchAll(/^(\w+)=(.*)$/gm);
    const listed = Object.fromEntries([...lines].map(([, name, value]) => [name, value]));
    for (const name of new Set([...Object.keys(used), ...Object.keys(listed)])) {
        same(`${name}: its default in .env.example`, listed[name], used[name]);
    }
}

const config = parse(readFileSync(0, 'utf8'));
same('the services', Object.keys(config.services).sort(), Object.keys(PORTS).sort());
same('the volumes', Object.keys(config.volumes ?? {}).sort(), Object.keys(KEPT).sort());
for (const name of Object.keys(PORTS).filter((one) => config.services[one])) checkService(name, config.services[name]);
checkBackends(config.services);
checkAccounts(config.services);
checkVariables();
process.exit(mistakes ? 1 : 0);
