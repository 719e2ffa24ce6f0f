/*
 * A flash sale, through the gateway: one product, more orders at once than there is stock. Afterwards
 * the script waits until no order waits, and verifies that exactly the stock was sold: the run FAILS
 * when one piece too many or too few is, or when an order that was accepted is not there.
 *
 *     k6 run k6/spike.js
 *     k6 run -e STOCK=1000 -e ORDERS=5000 -e BUYERS=500 k6/spike.js
 *
 * Environment
 *   GATEWAY_URL  the gateway (default http://127.0.0.1:4000)
 *   STOCK        pieces on sale (default 500)
 *   ORDERS       orders of one piece each, more than STOCK (default 2000, at most 100000)
 *   BUYERS       how many order at the same time (default 200, at most 1500)
 *   WAIT         seconds until every order must have been decided, after the last answer (default 60)
 */
import http from 'k6/http';
import { check, sleep } from 'k6';
import { Counter, Rate, Trend } from 'k6/metrics';
import { address, count } from './lib/env.js';

const GATEWAY_URL = address('GATEWAY_URL', 'http://127.0.0.1:4000');
const STOCK = count('STOCK', 500, 100000);
const ORDERS = count('ORDERS', 2000, 100000);
const BUYERS = count('BUYERS', 200, 1500);
const WAIT_S = count('WAIT', 60, 3600);
const POLL_S = 0.5;
const PAGE = 1000;
const HEADERS = { 'Content-Type': 'application/json' };

if (ORDERS <= STOCK) {
    throw new Error(`ORDERS must be more than STOCK, or it is no flash sale: ${ORDERS} is not more than ${STOCK}`);
}

/** Orders that were not answered with 201, or not within a second. */
const errors = new Counter('errors');
const latency = new Trend('latency_ms', true);

const done = new Counter('orders_done');
const rejected = new Counter('orders_rejected');
const waiting = new Counter('orders_waiting');
/** +1 for each order that was accepted, -1 for each that is there afterwards: above 0 when one is lost. */
const lost = new Trend('orders_lost');
/** 1 when the sale was exact, 0 when it was not or could not be verified. */
const exact = new Rate('sale_exact');

/** @typedef {{ id: number, status: string, reason: string | null, quantity: number }} Order */

/** @type {import('k6/options').Options} */
export const options = {
    scenarios: {
        sale: {
            executor: 'shared-iterations',
            vus: Math.min(BUYERS, ORDERS),
            iterations: ORDERS,
            maxDuration: '5m',
        },
    },
    teardownTimeout: `${WAIT_S + 30}s`,
    thresholds: {
        errors: ['count<1000'],
        http_req_duration: ['p(95)<1000'],
        http_req_failed: ['rate<0.05'],
        latency_ms: ['p(95)<1000'],
        orders_lost: ['avg<=0'],
        orders_done: [`count==${STOCK}`],
        orders_waiting: ['count==0'],
        sale_exact: ['rate==1'],
    },
};

/**
 * @param {string} path
 * @returns {any} the answer's data
 */
function read(path) {
    const answer = http.get(GATEWAY_URL + path, { tags: { name: 'verify' } });
    if (answer.status !== 200) {
        throw new Error(`GET ${path}: ${answer.status} ${answer.error || answer.body}`);
    }
    return { data: answer.json('data'), link: answer.headers['Link'] || '' };
}

/**
 * @param {number} id
 * @returns {Order[]} all orders of the product
 */
function ordersOf(id) {
    /** @type {Order[]} */
    const all = [];
    let path = `/orders/product/${id}?limit=${PAGE}`;
    while (path) {
        const page = read(path);
        all.push.apply(all, page.data);
        const next = /^<([^>]+)>; rel="next"/.exec(page.link);
        path = next ? next[1] : '';
    }
    return all;
}

/**
 * @param {number} id
 * @returns {Order[]} all orders of the product, once none of them waits or WAIT is over
 */
function settledOrders(id) {
    const deadline = Date.now() + WAIT_S * 1000;
    for (;;) {
        const orders = ordersOf(id);
        if (!orders.some((order) => order.status === 'waiting') || Date.now() > deadline) {
            return orders;
        }
        sleep(POLL_S);
    }
}

export function setup() {
    const product = { name: `Flash sale ${new Date().toISOString()}`, price: 9.99, qty: STOCK };
    const answer = http.post(`${GATEWAY_URL}/products`, JSON.stringify(product), { headers: HEADERS });
    if (answer.status !== 201) {
        throw new Error(`POST /products at ${GATEWAY_URL}: ${answer.status} ${answer.error || answer.body}; ` +
            'is the stack running? (./prodorder up)');
    }
    return { productId: /** @type {number} */ (answer.json('data.id')) };
}

/** @param {{ productId: number }} data */
export default function buy(data) {
    const order = { productId: data.productId, quantity: 1 };
    const answer = http.post(`${GATEWAY_URL}/orders`, JSON.stringify(order), { headers: HEADERS });
    latency.add(answer.timings.duration);
    const good = check(answer, {
        'status is 201': (r) => r.status === 201,
        'duration < 1s': (r) => r.timings.duration < 1000,
    });
    if (answer.status === 201) {
        lost.add(1);
    }
    if (!good) {
        errors.add(1);
    }
}

/** @param {{ productId: number }} data */
export function teardown(data) {
    let verified = false;
    try {
        const orders = settledOrders(data.productId);
        const { qty } = read(`/products/${data.productId}`).data;
        /** @param {string} status */
        const withStatus = (status) => orders.filter((order) => order.status === status);
        const sold = withStatus('done').reduce((sum, order) => sum + order.quantity, 0);
        done.add(withStatus('done').length);
        rejected.add(withStatus('rejected').length);
        waiting.add(withStatus('waiting').length);
        orders.forEach(() => lost.add(-1));
        verified = check(orders, {
            'no order is waiting': () => withStatus('waiting').length === 0,
            'no order is there twice': () => new Set(orders.map((order) => order.id)).size === orders.length,
            'no more orders than were sent': () => orders.length <= ORDERS,
            'sold is exactly the stock': () => sold === STOCK,
            'nothing is left': () => qty === 0,
            'what was rejected was out of stock': () =>
                withStatus('rejected').every((order) => order.reason === 'out_of_stock'),
        });
        console.log(`product ${data.productId}: stock ${STOCK}, orders ${orders.length}, sold ${sold}, ` +
            `rejected ${withStatus('rejected').length}, waiting ${withStatus('waiting').length}, left ${qty}`);
    } finally {
        exact.add(verified);
    }
}
