#!/usr/bin/env node
/*
 * Runs a script of k6/ without k6: its options, requests, checks, metrics and thresholds, and its setup() and
 * teardown(), are taken out of the script itself; wrk sends the requests.
 *
 * Usage: main.mjs [--plan] [--seconds N] [--json FILE] NAME
 *
 *   NAME          script, steady, mixed, spike, soak; or the file of a script
 *   --plan        send nothing, print what would be sent and how it would be judged: one line of JSON
 *   --seconds N   compress the whole profile to N seconds, rates unchanged; not for spike, which has no rate
 *   --json FILE   append the result, one line of JSON
 *
 * The environment is the script's: BASE_URL, GATEWAY_URL, PRODUCT_IDS, … (k6/README.md). The stack must run.
 * Exit 0: every threshold holds; 1: one is broken, or the load could not be driven; 2: wrong arguments, a
 * malformed variable, or a script that cannot be run this way.
 *
 * An iteration must send exactly one request; all requests must go to one address. Needs Node.js 18.19 or newer,
 * wrk and curl.
 */
import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { drive, DROPPED } from './drive.mjs';
import { parseThresholds } from './metrics.mjs';
import { summarize, table } from './report.mjs';
import { scheduleOf } from './schedule.mjs';
import { world } from './world.mjs';

const SCRIPTS = fileURLToPath(new URL('../../k6/', import.meta.url));

function usage() {
    const text = readFileSync(fileURLToPath(import.meta.url), 'utf8');
    const [, ...lines] = text.slice(text.indexOf('/*'), text.indexOf('*/')).trimEnd().split('\n');
    return lines.map((line) => line.slice(3)).join('\n');
}

function profiles() {
    return readdirSync(SCRIPTS).filter((file) => file.endsWith('.js')).map((file) => file.slice(0, -'.js'.length));
}

function parse(args) {
    const given = { name: null, seconds: undefined, json: null, plan: false };
    for (let n = 0; n < args.length; n++) {
        if (args[n] === '--seconds') {
            given.seconds = Number(args[++n]);
            if (!(given.seconds >= 1 && given.seconds <= 86400)) {
                throw new Error(`--seconds (BENCH_SECONDS) must be a number from 1 to 86400, not '${args[n] ?? ''}'`);
            }
        } else if (args[n] === '--plan') {
            given.plan = true;
        } else if (args[n] === '--json') {
            given.json = args[++n];
            if (!given.json) {
                throw new Error('--json needs the name of a file');
            }
        } else if (given.name === null && !args[n].startsWith('-')) {
            given.name = args[n];
        } else {
            throw new Error(`there is no option '${args[n]}'; see --help`);
        }
    }
    if (given.name === null) {
        throw new Error(`which profile? ${profiles().join(', ')}; see --help`);
    }
    given.file = /[/.]/.test(given.name) ? given.name : `${SCRIPTS}${given.name}.js`;
    if (!existsSync(given.file)) {
        throw new Error(`there is no script ${given.file}; there are ${profiles().join(', ')}`);
    }
    return given;
}

async function load(file) {
    if (!module.register) {
        throw new Error(`Node.js ${process.version} is too old: 18.19 is needed`);
    }
    module.register('./hooks.mjs', import.meta.url);
    globalThis.__ENV = { ...process.env };
    return import(pathToFileURL(file).href);
}

// A wrong argument, a malformed variable, a script that is not for this: nothing has been sent yet.
function refuse(problem) {
    console.error(`k6-profile: ${problem.message}`);
    process.exit(2);
}

async function prepare() {
    const given = parse(process.argv.slice(2));
    const script = await load(given.file);
    const thresholds = parseThresholds(script.options, world.metrics);
    return { ...given, script, thresholds, schedule: scheduleOf(script.options, given.seconds) };
}

function planOf({ name, script, schedule }) {
    const { connections, openLoop, seconds, due, phases } = schedule;
    return { profile: name, connections, open_loop: openLoop, seconds, requests: due.length, phases,
        thresholds: script.options.thresholds, scenarios: script.options.scenarios };
}

async function run({ name, script, schedule, thresholds }) {
    const made = script.setup ? world.live(script.setup) : undefined;
    const data = () => (made === undefined ? undefined : JSON.parse(JSON.stringify(made)));
    const own = data();
    const requests = schedule.due.map((_, n) => world.plan(n, script.default, own));
    console.error(`== ${name}: ${requests.length.toLocaleString('en-US')} requests` +
        `${schedule.openLoop ? ` in ${schedule.seconds.toFixed(0)} s` : ' as fast as they are answered'}, ` +
        `${schedule.connections} connections`);
    const results = await drive(schedule, requests,
        (n, answer) => world.replay(n, script.default, own, requests[n], answer));
    world.metric('dropped_iterations').add(results.filter((result) => result === DROPPED).length);
    if (script.teardown) {
        world.live(script.teardown, data());
    }
    return summarize({ name, schedule, results, world, thresholds });
}

async function main() {
    if (process.argv.slice(2).some((arg) => arg === '--help' || arg === '-h')) {
        console.log(usage());
        return 0;
    }
    const prepared = await prepare().catch(refuse);
    if (prepared.plan) {
        console.log(JSON.stringify(planOf(prepared)));
        return 0;
    }
    const result = await run(prepared);
    console.log(table(result).join('\n'));
    if (prepared.json) {
        appendFileSync(prepared.json, `${JSON.stringify(result)}\n`);
    }
    return result.ok ? 0 : 1;
}

process.exitCode = await main().catch((problem) => {
    console.error(`k6-profile: ${problem.message}`);
    return 1;
});
