// Writes answers into the collection, as the saved examples of its requests.
//
// Usage: node examples.mjs COLLECTION ANSWERS
//
// ANSWERS is a JSON object: the names of a request's folders and its own, as newman.mjs writes them, and
// the answer. A request whose answer is not there keeps its examples.
import { readFileSync, writeFileSync } from 'node:fs';

const TEXT_LINES_MAX = 24;

const [file, answersFile] = process.argv.slice(2);
const collection = JSON.parse(readFileSync(file, 'utf8'));
const answers = new Map(Object.entries(JSON.parse(readFileSync(answersFile, 'utf8'))));

// shortened(BODY, TYPE): the metrics are hundreds of lines, and the contracts stand in openapi.json and
// asyncapi.json: a copy would be out of date with its next change.
function shortened(body, type) {
    if (type === 'text/plain') {
        return body.split('\n').slice(0, TEXT_LINES_MAX).join('\n') + '\n';
    }
    const { openapi, asyncapi, info } = JSON.parse(body);
    return JSON.stringify(openapi ? { openapi, info, paths: {} } : { asyncapi, info, channels: {} });
}

function exampleOf(request, { code, status, header, body }) {
    const originalRequest = { ...request };
    delete originalRequest.description;
    const type = (header.find(({ key }) => key.toLowerCase() === 'content-type')?.value ?? '').split(';')[0];
    const isLong = type === 'text/plain' || /^\{\n {2}"(?:open|async)api":/.test(body);
    return {
        name: `${code} ${status}${isLong ? ' (shortened)' : ''}`,
        originalRequest,
        status,
        code,
        _postman_previewlanguage: type.endsWith('json') ? 'json' : type === 'text/html' ? 'html' : 'text',
        header: header.map(({ key, value }) => ({ key, value })),
        cookie: [],
        body: isLong ? shortened(body, type) : body,
    };
}

function write(items, names) {
    for (const item of items) {
        const place = [...names, item.name];
        const answer = answers.get(place.join(' / '));
        if (item.item) {
            write(item.item, place);
        } else if (answer) {
            item.response = [exampleOf(item.request, answer)];
        }
    }
}

write(collection.item, []);
writeFileSync(file, JSON.stringify(collection, null, '\t') + '\n');
