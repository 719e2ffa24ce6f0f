// Lets wrk send the planned requests, and reads what became of them.
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { answer, headersOf, TIMEOUT_S } from './exchange.mjs';

// A result: the arrival was due when every connection was busy.
export const DROPPED = 'dropped';

const SCRIPT = fileURLToPath(new URL('wrk.lua', import.meta.url));
const PIECE_BYTES = 1024 * 1024;
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

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

// What wrk says of itself when it has ended: { seconds, refused, broken }.
function ended(child) {
    let said = '';
    child.stdout.on('data', (text) => { said += text; });
    child.stderr.on('data', (text) => { said += text; });
    return new Promise((good, bad) => {
        child.on('error', (error) => bad(new Error(`cannot run sh: ${error.message}`)));
        child.on('close', (status) => {
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

async function runWrk(directory, schedule, origin) {
    const limit = Math.ceil(schedule.seconds + schedule.graceSeconds);
    // A connection is a file: as many as the machine permits.
    const command = ['wrk', '-t1', `-c${schedule.connections}`, `-d${limit}s`, `--timeout=${TIMEOUT_S}s`,
        `-s${SCRIPT}`, origin, '--', directory, String(schedule.due.length), String(schedule.connections),
        schedule.openLoop ? 'open' : 'closed'];
    const child = spawn('sh', ['-c', 'ulimit -n "$(ulimit -Hn)"; exec "$@"', 'sh', ...command],
        { stdio: ['ignore', 'pipe', 'pipe'] });
    const stop = (signal) => {
        child.kill();
        rmSync(directory, { recursive: true, force: true });
        process.exit(SIGNALS[signal]);
    };
    Object.keys(SIGNALS).forEach((signal) => process.once(signal, stop));
    try {
        return await ended(child);
    } finally {
        Object.keys(SIGNALS).forEach((signal) => process.removeListener(signal, stop));
    }
}

// The entries of wrk's record, a piece of the file at a time: { numbers of the first line, head, body }.
function* entriesOf(directory) {
    const file = openSync(join(directory, 'record'), 'r');
    let bytes = Buffer.alloc(0);
    let at = 0;
    const more = () => {
        const piece = Buffer.alloc(PIECE_BYTES);
        const length = readSync(file, piece);
        bytes = Buffer.concat([bytes.subarray(at), piece.subarray(0, length)]);
        at = 0;
        return length > 0;
    };
    try {
        for (;;) {
            const end = bytes.indexOf(10, at);
            const numbers = end < 0 ? [] : bytes.toString('latin1', at, end).split(' ').map(Number);
            const [, , , , head, body] = numbers;
            if (end >= 0 && end + 1 + head + body <= bytes.length) {
                at = end + 1 + head + body;
                yield { numbers, head: bytes.toString('utf8', end + 1, end + 1 + head),
                    body: bytes.toString('utf8', end + 1 + head, at) };
            } else if (!more()) {
                return;
            }
        }
    } finally {
        closeSync(file);
    }
}

// Of what the record says, the times: a result for each arrival. The answers go to ANSWERED(N, ANSWER).
function readRecord(directory, total, answered) {
    const results = Array.from({ length: total }, () => ({}));
    for (const { numbers: [n, sent, received, status], head, body } of entriesOf(directory)) {
        if (sent < 0) {
            results[n] = DROPPED;
        } else if (received < 0) {
            results[n] = { sent: sent / 1e6 };
        } else {
            results[n] = { sent: sent / 1e6, received: received / 1e6 };
            answered(n, answer(status, headersOf(head.split('\n')), body, (received - sent) / 1000));
        }
    }
    return results;
}

// drive(SCHEDULE, REQUESTS, ANSWERED): for each arrival DROPPED, or { sent, received }, seconds from the begin.
// ANSWERED(N, ANSWER) is called for each that was not dropped. What got no answer has status 0, as in k6, and
// has taken until the end of the run; where connections were refused, what found none had status 0 at once.
export async function drive(schedule, requests, answered) {
    const origins = new Set(requests.map(({ url }) => new URL(url).origin));
    if (origins.size !== 1) {
        throw new Error(`all requests of a profile must go to one address, not to ${[...origins].join(', ')}`);
    }
    const directory = mkdtempSync(join(tmpdir(), 'k6-profile-'));
    try {
        writePlan(directory, requests, schedule.due);
        const wrk = await runWrk(directory, schedule, [...origins][0]);
        return readRecord(directory, requests.length, answered).map((result, n) => {
            const lost = result === DROPPED ? wrk.refused > 0 : result.received === undefined;
            if (!lost) {
                return result;
            }
            const waited = result.sent === undefined ? 0 : Math.min(wrk.seconds - result.sent, TIMEOUT_S);
            answered(n, answer(0, {}, null, waited * 1000, 'no answer'));
            return result === DROPPED ? {} : result;
        });
    } finally {
        rmSync(directory, { recursive: true, force: true });
    }
}
