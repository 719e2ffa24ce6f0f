// When each iteration of a scenario is due, from k6's options.

export const ARRIVALS_MAX = 500000;
const ROUNDING = 1e-6;
// What k6 waits for answers when all is sent, unless the scenario says otherwise.
const GRACE = '30s';
const UNIT_S = { ms: 0.001, s: 1, m: 60, h: 3600 };

// seconds('1m30s'): 90. k6 also takes a number, of milliseconds.
export function seconds(duration) {
    if (typeof duration === 'number') {
        return duration / 1000;
    }
    if (!/^([0-9.]+(ms|h|m|s))+$/.test(duration)) {
        throw new Error(`'${duration}' is not a duration`);
    }
    return [...duration.matchAll(/([0-9.]+)(ms|h|m|s)/g)].reduce((sum, [, n, unit]) => sum + n * UNIT_S[unit], 0);
}

// As many connections as k6 has users at most, but not more than there are arrivals in the time that answers are
// waited for at the end: each connection has its turn, and a server closes one that is idle for long.
function connectionsFor({ preAllocatedVUs = 1, maxVUs = preAllocatedVUs }, phases) {
    const peak = Math.max(...phases.map(({ from, to }) => Math.max(from, to)));
    return Math.max(1, Math.min(maxVUs, Math.ceil(peak * seconds(GRACE))));
}

// The one scenario of the script, as { connections, phases: [{ name, from, to, seconds }] in arrivals a second },
// or { connections, iterations } when all are due at once.
function phasesOf(scenario) {
    const perSecond = (rate) => rate / seconds(scenario.timeUnit ?? '1s');
    switch (scenario.executor) {
    case 'constant-arrival-rate': {
        const rate = perSecond(scenario.rate);
        const phases = [{ from: rate, to: rate, seconds: seconds(scenario.duration) }];
        return { connections: connectionsFor(scenario, phases), phases };
    }
    case 'ramping-arrival-rate': {
        let from = perSecond(scenario.startRate ?? 0);
        const phases = scenario.stages.map((stage) => {
            const phase = { from, to: perSecond(stage.target), seconds: seconds(stage.duration) };
            from = phase.to;
            return phase;
        });
        return { connections: connectionsFor(scenario, phases), phases };
    }
    case 'shared-iterations':
        return { connections: scenario.vus ?? 1, iterations: scenario.iterations ?? 1,
            seconds: seconds(scenario.maxDuration ?? '10m') };
    default:
        throw new Error(`the executor '${scenario.executor}' cannot be driven by wrk`);
    }
}

// The arrivals of a phase: the n-th of all is due when the integral of the rate, `before` at its begin, has
// reached n.
function* arrivalsIn({ from, to, seconds: length }, begin, before) {
    const slope = (to - from) / length;
    const after = before + ((from + to) / 2) * length;
    for (let n = Math.ceil(before - ROUNDING); n < after - ROUNDING; n++) {
        const part = Math.max(0, n - before);
        const rate = Math.sqrt(Math.max(0, from * from + 2 * slope * part));
        yield begin + (part === 0 ? 0 : (2 * part) / (from + rate));
    }
}

// scheduleOf(OPTIONS, SECONDS or undefined): { connections, openLoop, seconds, graceSeconds (until the answers
// are there), due: seconds from the begin of each arrival, phases: [{ from, to, begin, end, first, arrivals }] }.
// SECONDS compresses the whole profile.
export function scheduleOf(options, wanted) {
    const scenarios = Object.values(options.scenarios ?? {});
    if (scenarios.length !== 1) {
        throw new Error(`a script with one scenario is needed, not with ${scenarios.length}`);
    }
    const { connections, phases, iterations, seconds: limit } = phasesOf(scenarios[0]);
    const graceSeconds = seconds(scenarios[0].gracefulStop ?? GRACE);
    const full = phases ? phases.reduce((sum, phase) => sum + phase.seconds, 0) : limit;
    const expected = iterations ?? phases.reduce((sum, { from, to, seconds: s }) => sum + ((from + to) / 2) * s, 0)
        * ((wanted ?? full) / full);
    if (expected > ARRIVALS_MAX) {
        throw new Error(`${Math.round(expected)} requests are more than can be driven without k6 (${ARRIVALS_MAX}): ` +
            'shorten it (BENCH_SECONDS, DURATION), or use k6');
    }
    if (iterations) {
        if (wanted !== undefined) {
            throw new Error('--seconds (BENCH_SECONDS) is for a rate: this script sends as fast as it is answered');
        }
        return { connections, openLoop: false, seconds: full, graceSeconds, due: new Array(iterations).fill(0),
            phases: [] };
    }
    const due = [];
    let [begin, before] = [0, 0];
    for (const phase of phases) {
        phase.seconds *= (wanted ?? full) / full;
        Object.assign(phase, { begin, end: begin + phase.seconds, first: due.length });
        for (const at of arrivalsIn(phase, begin, before)) {
            due.push(at);
        }
        phase.arrivals = due.length - phase.first;
        begin = phase.end;
        before += ((phase.from + phase.to) / 2) * phase.seconds;
    }
    return { connections, openLoop: true, seconds: begin, graceSeconds, due, phases };
}
