// Runs the Postman collection, or one folder of it, with newman.
//
// Usage: node newman.mjs COLLECTION ENVIRONMENT FOLDER NAME=VALUE...     (FOLDER "": all of it)
//
// Prints what happened as one JSON object: each request in order with its assertions and the answer,
// the requests that skipped themselves, and what went wrong beside. Judging is t/e2e/postman.t's.
import { readFileSync } from 'node:fs';

import newman from 'newman';

const TIMEOUT_RUN_MS = 600_000;
const TIMEOUT_REQUEST_MS = 20_000; // the gateway gives up after 9 s
const TIMEOUT_SCRIPT_MS = 30_000;

const [file, environment, folder, ...variables] = process.argv.slice(2);
const collection = JSON.parse(readFileSync(file, 'utf8'));
const envVar = variables.map((text) => {
    const [, key, value] = text.match(/^(\w+)=(.*)$/s);
    return { key, value };
});

// Requests by their ids, which are given here: the names of their folders and their own.
const entries = new Map();

function giveIds(items, names) {
    for (const item of items) {
        const place = [...names, item.name];
        item.id = place.join(' / ');
        if (item.item) {
            giveIds(item.item, place);
        } else {
            entries.set(item.id, { place: item.id, assertions: [], answer: null });
        }
    }
}

giveIds(collection.item, []);

const seen = { requests: [], skipped: [], errors: [] };

function answerOf(response) {
    return {
        code: response.code,
        status: response.reason(),
        header: response.headers.map(({ key, value }) => ({ key, value })),
        body: response.text(),
    };
}

newman
    .run({
        collection,
        environment,
        envVar,
        folder: folder || undefined,
        reporters: [],
        timeout: TIMEOUT_RUN_MS,
        timeoutRequest: TIMEOUT_REQUEST_MS,
        timeoutScript: TIMEOUT_SCRIPT_MS,
    })
    .on('request', (error, { item, response }) => {
        const entry = entries.get(item.id);
        if (!entry) {
            return; // sent by a script
        }
        if (error) {
            seen.errors.push(`${entry.place}: ${error.message}`);
        } else {
            entry.answer = answerOf(response);
        }
    })
    .on('assertion', (error, { item, assertion }) => {
        entries.get(item.id).assertions.push({ name: assertion, error: error ? error.message : null });
    })
    .on('item', (error, { item }) => {
        const entry = entries.get(item.id);
        if (entry.answer) {
            seen.requests.push(entry);
        } else {
            seen.skipped.push(entry.place);
        }
    })
    .on('console', (error, { messages }) => seen.errors.push(`a script: ${messages.join(' ')}`))
    .on('exception', (error, { error: raised }) => seen.errors.push(`a script: ${raised.message}`))
    .on('done', (error) => {
        if (error) {
            seen.errors.push(error.message);
        }
        process.stdout.write(JSON.stringify(seen));
    });
