// What the parts of k6 that a script imports have in common: the metrics, and where requests go.
//
// An iteration (a call of the script's default function) is run twice. First it is planned: its request is
// noted, and wrk sends it later. Then it is replayed with the answer that wrk got, so that the script's own
// code checks and counts. Math.random() gives both the same numbers. Outside iterations, in setup() and
// teardown(), requests are sent at once.
import { Metric } from './metrics.mjs';
import { exchange } from './exchange.mjs';

const BUILT_IN = {
    checks: 'rate', dropped_iterations: 'counter', http_req_duration: 'trend', http_req_failed: 'rate',
    http_reqs: 'counter', iterations: 'counter',
};

// Thrown by the request of a planned iteration.
class Planned {
    constructor(request) {
        this.request = request;
    }
}

export const world = {
    checks: {},
    metrics: new Map(Object.entries(BUILT_IN).map(([name, kind]) => [name, new Metric(name, kind)])),
    // Of the iterations' requests alone: http_req_duration and http_req_failed are of setup()'s as well.
    driven: { duration: new Metric('duration', 'trend'), failed: new Metric('failed', 'rate') },
    iteration: null,
    send: forbidden,

    metric: (name) => world.metrics.get(name),

    declare(name, kind) {
        const there = world.metrics.get(name);
        if (there && there.kind !== kind) {
            throw new Error(`the metric '${name}' is a ${there.kind}, it cannot be a ${kind} as well`);
        }
        world.metrics.set(name, there ?? new Metric(name, kind));
        return world.metrics.get(name);
    },

    // live(FUNCTION, ARGUMENT): setup() or teardown().
    live(run, argument) {
        world.send = (request) => count(exchange(request));
        try {
            return run(argument);
        } finally {
            world.send = forbidden;
        }
    },

    // plan(N, FUNCTION, DATA): the request of iteration N.
    plan(n, run, data) {
        try {
            iterate(n, run, data, (request) => {
                throw new Planned(request);
            });
        } catch (thrown) {
            if (thrown instanceof Planned) {
                return thrown.request;
            }
            throw thrown;
        }
        throw new Error(`iteration ${n} sends no request: wrk cannot do that`);
    },

    // replay(N, FUNCTION, DATA, PLANNED, ANSWER): the same iteration, answered.
    replay(n, run, data, planned, answer) {
        let sent = 0;
        iterate(n, run, data, (request) => {
            if (sent++) {
                throw new Error(`iteration ${n} sends a second request: wrk cannot do that`);
            }
            if (JSON.stringify(request) !== JSON.stringify(planned)) {
                throw new Error(`iteration ${n} is not the same when it is repeated: ${JSON.stringify(request)}, ` +
                    `first ${JSON.stringify(planned)}; only Math.random() may vary in an iteration`);
            }
            world.driven.duration.add(answer.timings.duration);
            world.driven.failed.add(isFailed(answer));
            return count(answer);
        });
        world.metric('iterations').add(1);
    },
};

function forbidden() {
    throw new Error('requests are possible in setup(), teardown() and iterations only');
}

function count(answer) {
    world.metric('http_reqs').add(1);
    world.metric('http_req_duration').add(answer.timings.duration);
    world.metric('http_req_failed').add(isFailed(answer));
    return answer;
}

function isFailed({ status }) {
    return status < 200 || status > 399;
}

function iterate(n, run, data, send) {
    const { random } = Math;
    Object.assign(world, { iteration: n, send });
    Math.random = sequence(n);
    try {
        run(data);
    } finally {
        Math.random = random;
        Object.assign(world, { iteration: null, send: forbidden });
    }
}

// A sequence of numbers from 0 to below 1 for each seed (a counter, mixed as in MurmurHash3's finalizer).
function sequence(seed) {
    let state = Math.imul(seed + 1, 0x9e3779b1);
    return () => {
        state = (state + 0x6d2b79f5) | 0;
        let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
        mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
        return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
    };
}
