// What a run of a profile came to: as a table like k6's, and as JSON.
import { DROPPED } from './drive.mjs';
import { judge } from './metrics.mjs';

// The least part of the planned arrivals that must have been sent for the verdict to mean anything.
export const SENT_SHARE_MIN = 0.95;

const round = (number, digits = 2) => (Number.isFinite(number) ? Number(number.toFixed(digits)) : null);

// How the load was driven in each phase: requests a second that were due and that were sent, and how late.
function pacing(schedule, results) {
    return schedule.phases.map(({ from, to, begin, end, first, arrivals }) => {
        const sentWithin = results.filter(({ sent }) => sent >= begin && sent < end).length;
        const late = results.slice(first, first + arrivals)
            .map(({ sent }, n) => (sent - schedule.due[first + n]) * 1000)
            .filter((ms) => !Number.isNaN(ms)).sort((a, b) => a - b);
        return { from: round(from, 0), to: round(to, 0), seconds: round(end - begin), due: arrivals,
            due_per_s: round(arrivals / (end - begin), 1), sent_per_s: round(sentWithin / (end - begin), 1),
            late_p99_ms: round(late[Math.floor(late.length * 0.99)] ?? NaN) };
    });
}

// summarize(...): the whole result; ok only when every threshold held and the load was really driven.
export function summarize({ name, schedule, results, world, thresholds }) {
    const last = results.reduce((latest, { received }) => Math.max(latest, received ?? 0), 0);
    const seconds = Math.max(last, schedule.openLoop ? schedule.seconds : 0) || schedule.seconds;
    const { duration, failed } = world.driven;
    const dropped = results.filter((result) => result === DROPPED).length;
    const answered = results.filter((result) => result.received !== undefined).length;
    const judged = judge(thresholds, seconds);
    const driven = (results.length - dropped) / results.length >= SENT_SHARE_MIN;
    const own = [...world.metrics.values()].filter(({ name: metric, kind }) => kind === 'counter' &&
        !['http_reqs', 'iterations', 'dropped_iterations'].includes(metric));
    return {
        profile: name, ok: driven && judged.every(({ ok }) => ok), driven, connections: schedule.connections,
        seconds: round(seconds), requests: answered, requests_per_s: round(answered / seconds, 1),
        p50_ms: round(duration.percentile(50)), p95_ms: round(duration.percentile(95)),
        p99_ms: round(duration.percentile(99)), max_ms: round(duration.percentile(100)),
        errors: world.metrics.get('errors')?.sum ?? 0, failed: failed.passes, dropped,
        checks: world.checks, counters: Object.fromEntries(own.map(({ name: metric, sum }) => [metric, sum])),
        thresholds: judged.map((one) => ({ ...one, value: round(one.value, 4) })),
        pacing: pacing(schedule, results),
    };
}

const TIMES = ['http_req_duration', 'latency_ms'];
const grouped = (number) => number.toLocaleString('en-US');

function shown({ metric, kind, expression, value }) {
    if (value === null) {
        return 'nothing measured';
    }
    if (TIMES.includes(metric)) {
        return `${value.toFixed(2)} ms`;
    }
    if (kind === 'rate') {
        return `${(value * 100).toFixed(2)} %`;
    }
    return grouped(value) + (/^\s*rate/.test(expression) ? '/s' : '');
}

function line(mark, label, value, more = '') {
    return `   ${mark} ${label.padEnd(44, '.')}: ${value.padEnd(14)} ${more}`.trimEnd();
}

// The table, as lines of text.
export function table(result) {
    const mark = (ok) => (ok ? '✓' : '✗');
    const lines = ['', 'checks'];
    for (const [name, { passes, fails }] of Object.entries(result.checks)) {
        lines.push(line(mark(!fails), name, `${((100 * passes) / (passes + fails)).toFixed(2)} %`,
            fails ? `${grouped(passes)} held, ${grouped(fails)} did not` : grouped(passes)));
    }
    lines.push('', 'thresholds');
    for (const judged of result.thresholds) {
        const { metric, expression, ok } = judged;
        lines.push(line(mark(ok), `${metric} ${expression}`, shown(judged), ok ? '' : 'BROKEN'));
    }
    lines.push('', 'figures',
        line(' ', 'requests', grouped(result.requests), `${result.requests_per_s}/s in ${result.seconds} s, ` +
            `${result.connections} connections`),
        line(' ', 'duration', `p50 ${result.p50_ms} ms`, `p95 ${result.p95_ms} ms   p99 ${result.p99_ms} ms   ` +
            `max ${result.max_ms} ms`),
        line(' ', 'failed requests', grouped(result.failed)));
    for (const [name, sum] of Object.entries(result.counters)) {
        lines.push(line(' ', name, grouped(sum)));
    }
    lines.push(line(result.driven ? ' ' : '✗', 'dropped iterations', grouped(result.dropped),
        result.driven ? '' : `less than ${SENT_SHARE_MIN * 100} % were sent: too much for machine or stack`));
    if (result.pacing.length) {
        lines.push('', 'phases');
    }
    for (const { from, to, seconds, due_per_s: due, sent_per_s: sent, late_p99_ms: late } of result.pacing) {
        lines.push(line(' ', from === to ? `${to}/s for ${seconds} s` : `${from}/s to ${to}/s in ${seconds} s`,
            `sent ${sent}/s`, `due ${due}/s, 99 % at most ${late} ms late`));
    }
    lines.push('', verdict(result));
    return lines;
}

function verdict({ thresholds, checks, driven }) {
    const words = [thresholds.every(({ ok }) => ok) ? 'every threshold holds' : 'NOT every threshold holds'];
    const failed = Object.values(checks).reduce((sum, { fails }) => sum + fails, 0);
    if (failed) {
        words.push(`${grouped(failed)} ${failed === 1 ? 'check' : 'checks'} failed`);
    }
    if (!driven) {
        words.push('the load could NOT be driven');
    }
    return words.join('; ');
}
