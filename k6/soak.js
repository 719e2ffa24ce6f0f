/*
 * The same request as script.js at a moderate rate for a long time: what grows, leaks or slows down
 * shows here. By default 200 a second for half an hour, 360,000 orders.
 *
 *     k6 run k6/soak.js
 *     k6 run -e RATE=300 -e DURATION=8h k6/soak.js
 *
 * Environment
 *   BASE_URL     the order service (default http://127.0.0.1:3002)
 *   PRODUCT_IDS  the products that are ordered (default 1,2,3,4,5)
 *   RATE         orders a second (default 200, at most 100000)
 *   DURATION     (default 30m)
 */
import placeOrder, { setup } from './script.js';
import { count, duration } from './lib/env.js';

/** @type {import('k6/options').Options} */
export const options = {
    scenarios: {
        orders: {
            executor: 'constant-arrival-rate',
            rate: count('RATE', 200, 100000),
            timeUnit: '1s',
            duration: duration('DURATION', '30m'),
            preAllocatedVUs: 100,
            maxVUs: 1500,
        },
    },
    // A long run has no number of errors that is always right: they are judged as shares and rates.
    thresholds: {
        checks: ['rate>0.999'],
        errors: ['rate<1'],
        http_req_duration: ['p(95)<1000'],
        http_req_failed: ['rate<0.001'],
        latency_ms: ['p(95)<1000', 'p(99)<1000'],
    },
};

export { setup };
export default placeOrder;
