// What AsyncAPI's own parser says of documents.
//
// Usage: node t/lint/asyncapi.mjs FILE...
//
// Prints one line for each mistake: the file, the rule, the place as a JSON Pointer, and why. Nothing is fetched.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { Parser } = require('@asyncapi/parser');

// A newer version of AsyncAPI than 3.0 is no mistake of a document of 3.0.
const rules = { 'asyncapi-latest-version': 'off' };
const resolver = { schema: 'http', canRead: true, read: () => { throw new Error('it is not in the document'); } };
const noOther = (schema) => ({ ...resolver, schema });
const parser = new Parser({
    ruleset: { rules },
    __unstable: { resolver: { cache: false, resolvers: ['http', 'https', 'file'].map(noOther) } },
});

for (const file of process.argv.slice(2)) {
    for (const { code, path, message } of await parser.validate(readFileSync(file, 'utf8'))) {
        console.log(`${file}: ${code} /${path.join('/')}: ${message}`);
    }
}
