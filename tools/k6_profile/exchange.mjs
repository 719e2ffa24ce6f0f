// One request and its answer. k6's calls return when the answer is there; Node.js has no such client, so
// what setup() and teardown() send goes through curl.
import { spawnSync } from 'node:child_process';

// k6's own, for a request.
export const TIMEOUT_S = 60;
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

// answer(STATUS, HEADERS, BODY, DURATION_MS, ERROR): as scripts see it.
export function answer(status, headers, body, durationMs, error = '') {
    return {
        status, headers, body, error,
        timings: { duration: durationMs },
        json(selector) {
            const whole = JSON.parse(body);
            return selector === undefined ? whole : selector.split('.').reduce((part, name) => part?.[name], whole);
        },
    };
}

// headersOf(LINES): by names as k6 writes them: X-Request-Id, however the server did.
export function headersOf(lines) {
    const headers = {};
    for (const line of lines) {
        const colon = line.indexOf(':');
        if (colon > 0) {
            const name = line.slice(0, colon).toLowerCase().replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
            headers[name] = line.slice(colon + 1).trim();
        }
    }
    return headers;
}

export function exchange({ method, url, body, headers }) {
    const begun = Date.now();
    const args = ['-q', '-sS', '-i', '--noproxy', '*', '--max-time', String(TIMEOUT_S), '-X', method,
        '-w', '%{stderr}%{time_pretransfer} %{time_total}'];
    for (const [name, value] of Object.entries(headers)) {
        args.push('-H', `${name}: ${value}`);
    }
    if (body !== null) {
        args.push('--data-binary', '@-');
    }
    const done = spawnSync('curl', [...args, url],
        { input: body ?? '', encoding: 'utf8', maxBuffer: ANSWER_BYTES_MAX });
    if (done.error) {
        throw new Error(`cannot run curl: ${done.error.message}`);
    }
    if (done.status !== 0) {
        return answer(0, {}, null, Date.now() - begun, done.stderr.split('\n')[0]);
    }
    const [pretransfer, total] = done.stderr.trim().split(' ').map(Number);
    const end = done.stdout.indexOf('\r\n\r\n');
    const [first, ...lines] = done.stdout.slice(0, end).split('\r\n');
    const status = Number(first.split(' ')[1]);
    return answer(status, headersOf(lines), done.stdout.slice(end + 4), (total - pretransfer) * 1000);
}
