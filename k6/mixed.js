/*
 * What a shop's visitors do, through the gateway: 69 % read, 25 % order, 1 % cancel, 5 % change the
 * catalogue.
 * By default 500 requests a second for a minute. Each answer's envelope is checked, and that it
 * carries the request id that was sent: the run FAILS when one answer's is wrong.
 *
 *     k6 run k6/mixed.js
 *     k6 run -e GATEWAY_URL=http://127.0.0.1:4000 -e RATE=200 -e DURATION=5m k6/mixed.js
 *
 * Environment
 *   GATEWAY_URL  the gateway (default http://127.0.0.1:4000)
 *   PRODUCT_IDS  the products that are read and ordered (default 1,2,3,4,5)
 *   RATE         requests a second (default 500, at most 100000)
 *   DURATION     (default 1m)
 *
 * Prices and stock are changed of products that the run has made itself.
 */
import http from 'k6/http';
import exec from 'k6/execution';
import { check } from 'k6';
import { Counter, Rate, Trend } from 'k6/metrics';
import { address, count, duration, productIds } from './lib/env.js';

const GATEWAY_URL = address('GATEWAY_URL', 'http://127.0.0.1:4000');
const PRODUCT_IDS = productIds('PRODUCT_IDS', '1,2,3,4,5');
const OWN_PRODUCTS = 10;
const ORDERS_BEFORE = 20;
const QUANTITY_MAX = 5;
const PAGE_MAX = 50;
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Requests that fail a check: those that are answered late, or not at all, as well. */
const errors = new Counter('errors');
/** Of the requests that were answered, those whose envelope and request id are right. */
const exact = new Rate('envelope_exact');
const latency = new Trend('latency_ms', true);

/**
 * @typedef {{ run: string, own: number[], orders: number[] }} Data made by setup()
 * @typedef {{ name: string, method: string, path: string, status: number, body?: object }} Operation
 */

/** @type {import('k6/options').Options} */
export const options = {
    scenarios: {
        visitors: {
            executor: 'constant-arrival-rate',
            rate: count('RATE', 500, 100000),
            timeUnit: '1s',
            duration: duration('DURATION', '1m'),
            preAllocatedVUs: 200,
            maxVUs: 1500,
        },
    },
    thresholds: {
        checks: ['rate>0.99'],
        envelope_exact: ['rate==1'],
        errors: ['count<1000'],
        http_req_duration: ['p(95)<1000'],
        http_req_failed: ['rate<0.05'],
        latency_ms: ['p(95)<1000'],
    },
};

/** @param {number} n @returns {number} from 0 to n - 1 */
const below = (n) => Math.floor(Math.random() * n);

/**
 * @template T
 * @param {T[]} list
 * @returns {T}
 */
const oneOf = (list) => list[below(list.length)];

/** @returns {number} from 1.00 to 99.99 */
const somePrice = () => (100 + below(9900)) / 100;

/**
 * What is done how often, in percent.
 *
 * @type {[number, (data: Data) => Operation][]}
 */
const SHARES = [
    [30, () => {
        const id = oneOf(PRODUCT_IDS);
        return { name: 'GET /products/{id}', method: 'GET', path: `/products/${id}`, status: 200 };
    }],
    [15, () => {
        const path = `/products?limit=${1 + below(PAGE_MAX)}`;
        return { name: 'GET /products', method: 'GET', path, status: 200 };
    }],
    [14, (data) => {
        const id = oneOf(data.orders);
        return { name: 'GET /orders/{id}', method: 'GET', path: `/orders/${id}`, status: 200 };
    }],
    [7, () => {
        const id = oneOf(PRODUCT_IDS);
        return { name: 'GET /orders/product/{id}', method: 'GET', path: `/orders/product/${id}`, status: 200 };
    }],
    [3, () => {
        const status = oneOf(['waiting', 'done', 'rejected', 'cancelled']);
        const path = `/orders?status=${status}&limit=${1 + below(PAGE_MAX)}`;
        return { name: 'GET /orders', method: 'GET', path, status: 200 };
    }],
    [1, (data) => {
        const path = `/orders/${oneOf(data.orders)}/cancel`; // again: the same answer
        return { name: 'POST /orders/{id}/cancel', method: 'POST', path, status: 200 };
    }],
    [25, () => newOrder(oneOf(PRODUCT_IDS))],
    [1, (data) => newProduct(`Load ${data.run} ${exec.scenario.iterationInTest}`)],
    [2, (data) => {
        const path = `/products/${oneOf(data.own)}`;
        return { name: 'PATCH /products/{id}', method: 'PATCH', path, status: 200, body: { price: somePrice() } };
    }],
    [1, (data) => {
        const path = `/products/${oneOf(data.own)}/adjust`;
        const body = { delta: 1 + below(QUANTITY_MAX), reason: `load ${data.run}` };
        return { name: 'POST /products/{id}/adjust', method: 'POST', path, status: 200, body };
    }],
    [1, (data) => {
        const path = `/products/${oneOf(data.own)}/restock`;
        const body = { quantity: 1 + below(QUANTITY_MAX) };
        return { name: 'POST /products/{id}/restock', method: 'POST', path, status: 200, body };
    }],
];

/** @param {string} name @returns {Operation} */
function newProduct(name) {
    const body = { name, price: somePrice(), qty: 1000 };
    return { name: 'POST /products', method: 'POST', path: '/products', status: 201, body };
}

/** @param {number} productId @returns {Operation} */
function newOrder(productId) {
    const body = { productId, quantity: 1 + below(QUANTITY_MAX) };
    return { name: 'POST /orders', method: 'POST', path: '/orders', status: 201, body };
}

/** @param {Data} data @returns {Operation} */
function someOperation(data) {
    let left = below(100);
    for (const [share, make] of SHARES) {
        left -= share;
        if (left < 0) {
            return make(data);
        }
    }
    throw new Error('the shares of SHARES must add up to 100');
}

/**
 * @param {Operation} operation
 * @param {string} requestId
 */
function send(operation, requestId) {
    /** @type {Record<string, string>} */
    const headers = { 'X-Request-Id': requestId };
    if (operation.body) {
        headers['Content-Type'] = 'application/json';
    }
    const body = operation.body ? JSON.stringify(operation.body) : null;
    // One series of figures for each operation, not one for each address.
    const params = { headers, tags: { name: operation.name } };
    return http.request(operation.method, GATEWAY_URL + operation.path, body, params);
}

/**
 * @param {import('k6/http').Response} answer
 * @returns {any} the envelope, an empty object when the answer is none
 */
function envelopeOf(answer) {
    try {
        return answer.json() || {};
    } catch (notJson) {
        return {};
    }
}

/** @returns {Data} */
export function setup() {
    const run = Date.now().toString(36);
    /** @param {Operation} operation @param {number} n @returns {number} */
    const make = (operation, n) => {
        const answer = send(operation, `mixed-${run}-setup-${n}`);
        if (answer.status !== operation.status) {
            throw new Error(`${operation.name} at ${GATEWAY_URL}: ${answer.status} ${answer.error || answer.body}; ` +
                'is the stack running? (./prodorder up)');
        }
        return envelopeOf(answer).data.id;
    };
    const own = [];
    for (let n = 0; n < OWN_PRODUCTS; n++) {
        own.push(make(newProduct(`Load ${run} own ${n}`), n));
    }
    const orders = [];
    for (let n = 0; n < ORDERS_BEFORE; n++) {
        orders.push(make(newOrder(oneOf(PRODUCT_IDS)), OWN_PRODUCTS + n));
    }
    return { run, own, orders };
}

/**
 * @param {import('k6/http').Response} answer
 * @param {Operation} operation
 * @param {string} requestId
 * @returns {boolean} whether the envelope is exact, of an error as of data
 */
function isExact(answer, operation, requestId) {
    const envelope = envelopeOf(answer);
    return check(answer, {
        'envelope: statusCode': (r) => envelope.statusCode === r.status,
        'envelope: data': (r) => typeof envelope.data === 'object' && (envelope.data === null) === (r.status > 399),
        'envelope: timestamp': () => TIMESTAMP.test(envelope.timestamp),
        'envelope: path': () => envelope.path === operation.path,
        'envelope: requestId is the one sent': () => envelope.requestId === requestId,
        'header: X-Request-Id is the one sent': (r) => r.headers['X-Request-Id'] === requestId,
    });
}

/** @param {Data} data */
export default function visit(data) {
    const operation = someOperation(data);
    const requestId = `mixed-${data.run}-${exec.scenario.iterationInTest}`;
    const answer = send(operation, requestId);
    latency.add(answer.timings.duration);
    let good = check(answer, {
        'status is as declared': (r) => r.status === operation.status,
        'duration < 1s': (r) => r.timings.duration < 1000,
    });
    // Status 0 is no answer, which http_req_failed counts.
    if (answer.status !== 0) {
        const envelopeIsExact = isExact(answer, operation, requestId);
        exact.add(envelopeIsExact);
        good = good && envelopeIsExact;
    }
    if (!good) {
        errors.add(1);
    }
}
