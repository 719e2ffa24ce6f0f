/*
 * The same request as script.js at a constant rate: by default 1,000 a second for a minute.
 *
 *     k6 run k6/steady.js
 *     k6 run -e RATE=2000 -e DURATION=30s k6/steady.js
 *
 * Environment
 *   BASE_URL     the order service (default http://127.0.0.1:3002)
 *   PRODUCT_IDS  the products that are ordered (default 1,2,3,4,5)
 *   RATE         orders a second (default 1000, at most 100000)
 *   DURATION     (default 1m)
 */
import placeOrder, { options as script, setup } from './script.js';
import { count, duration } from './lib/env.js';

/** @type {import('k6/options').Options} */
export const options = {
    scenarios: {
        orders: {
            executor: 'constant-arrival-rate',
            rate: count('RATE', 1000, 100000),
            timeUnit: '1s',
            duration: duration('DURATION', '1m'),
            preAllocatedVUs: 500,
            maxVUs: 1500,
        },
    },
    // script.js allows a number of errors, which a shorter or slower run might never reach.
    thresholds: Object.assign({ checks: ['rate>0.99'] }, script.thresholds),
};

export { setup };
export default placeOrder;
