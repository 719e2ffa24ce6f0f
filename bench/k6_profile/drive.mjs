// Lets wrk send the planned requests, and reads what became of them.
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { answer, headersOf } from './exchange.mjs';

// A result: the arrival was due when every connection was busy.
export const DROPPED = 'dropped';

// How long answers are waited for when all is sent: k6's gracefulStop.
const GRACE_S = 30;
// How late an arrival may be taken: wrk's own clock has milliseconds.
const LATE_MAX_US = 20000;
const SCRIPT = fileURLToPath(new URL('wrk.lua', import.meta.url));

// The request as bytes, with an id by which its answer is known.
function bytesOf({ method, url, body, headers }, id) {
    const { host, pathname, search } = new URL(url);
    const all = { Host: host, ...headers, 'X-Request-Id': id };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
    if (body !== null) {
        lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
    }
    return Buffer.from(`${method} ${pathname}${search} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body ?? ''}`);
}

function idOf(headers, fallback) {
    const [, id] = Object.entries(headers).find(([name]) => name.toLowerCase() === 'x-request-id') ?? [];
    return id ?? fallback;
}

function writePlan(directory, requests, due) {
    const run = `bench-${Date.now().toString(36)}`;
    const plan = openSync(join(directory, 'plan'), 'w');
    const blob = openSync(join(directory, 'requests'), 'w');
    requests.forEach((request, n) => {
        const id = idOf(request.headers, `${run}-${n}`);
        const bytes = bytesOf({ ...request, headers: withoutId(request.headers) }, id);
        writeSync(plan, `${Math.round(due[n] * 1e6)} ${bytes.length} ${id}\n`);
        writeSync(blob, bytes);
    });
    closeSync(plan);
    closeSync(blob);
}

function withoutId(headers) {
    return Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'x-request-id'));
}

function runWrk(directory, schedule, origin) {
    const limit = Math.ceil(schedule.seconds) + GRACE_S;
    const late = schedule.openLoop ? LATE_MAX_US : Number.MAX_SAFE_INTEGER;
    // A connection is a file: as many as the machine permits.
    const command = ['wrk', '-t1', `-c${schedule.connections}`, `-d${limit}s`, '--timeout=60s', `-s${SCRIPT}`, origin,
        '--', directory, String(schedule.due.length), String(late)];
    const child = spawn('sh', ['-c', 'ulimit -n "$(ulimit -Hn)"; exec "$@"', 'sh', ...command],
        { stdio: ['ignore', 'pipe', 'pipe'] });
    const stop = (signal) => {
        child.kill();
        rmSync(directory, { recursive: true, force: true });
        process.exit(signal === 'SIGINT' ? 130 : 143);
    };
    process.once('SIGINT', stop).once('SIGTERM', stop);
    let said = '';
    child.stdout.on('data', (text) => { said += text; });
    child.stderr.on('data', (text) => { said += text; });
    return new Promise((good, bad) => {
        child.on('error', (error) => bad(new Error(`cannot run sh: ${error.message}`)));
        child.on('close', (status) => {
            process.removeListener('SIGINT', stop).removeListener('SIGTERM', stop);
            const summary = /^\{.*\}$/m.exec(said);
            if (status === 127) {
                bad(new Error('wrk is not installed: ./configure.sh --install-deps'));
            } else if (status !== 0 || !summary) {
                bad(new Error(`wrk failed with ${status}: ${said.trim()}`));
            } else {
                good(JSON.parse(summary[0]));
            }
        });
    });
}

// For each arrival: { sent, received (seconds from the begin), answer }, or DROPPED; undefined: nothing came.
function readRecord(directory, total) {
    const bytes = readFileSync(join(directory, 'record'));
    const results = new Array(total);
    for (let at = 0; at < bytes.length;) {
        const end = bytes.indexOf(10, at);
        const [n, sent, received, status, head, body] = bytes.toString('latin1', at, end).split(' ').map(Number);
        const headers = headersOf(bytes.toString('utf8', end + 1, end + 1 + head).split('\n'));
        at = end + 1 + head + body;
        results[n] = sent < 0 ? DROPPED : { sent: sent / 1e6, received: received / 1e6,
            answer: answer(status, headers, bytes.toString('utf8', end + 1 + head, at), (received - sent) / 1000) };
    }
    return results;
}

// drive(SCHEDULE, REQUESTS): { results, wrk (its own figures) }; a result is DROPPED or { sent, received, answer }.
// What was not answered has status 0, as in k6; so has, where connections broke, what could not be sent.
export async function drive(schedule, requests) {
    const origins = new Set(requests.map(({ url }) => new URL(url).origin));
    if (origins.size !== 1) {
        throw new Error(`all requests of a profile must go to one address, not to ${[...origins].join(', ')}`);
    }
    const directory = mkdtempSync(join(tmpdir(), 'k6-profile-'));
    try {
        writePlan(directory, requests, schedule.due);
        const wrk = await runWrk(directory, schedule, [...origins][0]);
        const lost = { answer: answer(0, {}, null, 0, 'no answer') };
        const results = Array.from(readRecord(directory, requests.length), (result) =>
            (result === undefined || (result === DROPPED && wrk.broken_connections > 0) ? lost : result));
        return { results, wrk };
    } finally {
        rmSync(directory, { recursive: true, force: true });
    }
}
