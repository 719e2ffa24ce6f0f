/*
 * Orders at a rate that rises to 1,000 a second, straight at the order service: POST /orders with a
 * random product and a random quantity. 88,000 requests in 110 seconds.
 *
 *     k6 run k6/script.js
 *     k6 run -e BASE_URL=http://127.0.0.1:3002 -e PRODUCT_IDS=1,2,3 k6/script.js
 *
 * Environment
 *   BASE_URL     the order service (default http://127.0.0.1:3002)
 *   PRODUCT_IDS  the products that are ordered (default 1,2,3,4,5: the first of the catalogue)
 *
 * The order service's own port answers 200 with the order; through the gateway it is 201 (mixed.js).
 */
import http from 'k6/http';
import { check } from 'k6';
import { Counter, Trend } from 'k6/metrics';
import { address, productIds } from './lib/env.js';

const BASE_URL = address('BASE_URL', 'http://127.0.0.1:3002');
const PRODUCT_IDS = productIds('PRODUCT_IDS', '1,2,3,4,5');
const QUANTITY_MAX = 5;
const HEADERS = { 'Content-Type': 'application/json' };

/** Orders that were not answered with 200, or not within a second. */
const errors = new Counter('errors');
const latency = new Trend('latency_ms', true);

/** @type {import('k6/options').Options} */
export const options = {
    scenarios: {
        orders: {
            executor: 'ramping-arrival-rate',
            startRate: 200,
            timeUnit: '1s',
            preAllocatedVUs: 500,
            maxVUs: 1500,
            stages: [
                { target: 1000, duration: '30s' },
                { target: 1000, duration: '60s' },
                { target: 0, duration: '20s' },
            ],
        },
    },
    thresholds: {
        errors: ['count<1000'],
        http_req_duration: ['p(95)<1000'],
        http_req_failed: ['rate<0.05'],
        latency_ms: ['p(95)<1000'],
    },
};

/** Where nothing listens, this is one error instead of one for each order. */
export function setup() {
    const answer = http.get(`${BASE_URL}/livez`);
    if (answer.status === 0) {
        throw new Error(`GET ${BASE_URL}/livez: ${answer.error}: is the stack running? (./prodorder up)`);
    }
}

export default function placeOrder() {
    const order = {
        productId: PRODUCT_IDS[Math.floor(Math.random() * PRODUCT_IDS.length)],
        quantity: 1 + Math.floor(Math.random() * QUANTITY_MAX),
    };
    const answer = http.post(`${BASE_URL}/orders`, JSON.stringify(order), { headers: HEADERS });
    latency.add(answer.timings.duration);
    const good = check(answer, {
        'status is 200': (r) => r.status === 200,
        'duration < 1s': (r) => r.timings.duration < 1000,
    });
    if (!good) {
        errors.add(1);
    }
}
