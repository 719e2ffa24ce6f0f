// Bodies of our own document's operations: build/openapi-check against ajv with the same schemas.
import { readFileSync } from 'node:fs';
import { Instances } from './instances.mjs';
import { newAjv, askOpenapiCheck } from './validators.mjs';

const DOCUMENT = 'openapi.json';

// Values at the edges of the contract's rules, for members of any name.
const VALUES = [0, 1, -1, 1.5, 0.01, 0.001, 1e2, 2147483647, 2147483648, 1000000, 1000001, 9999999999.99, 1e10,
    '', ' ', 'x', 'é', '😀'.repeat(200), 'x'.repeat(200), 'x'.repeat(201), '\t\n', '\u00a0', null, true, [], {}, [1]];

export function compareBodies(random, count) {
    const document = JSON.parse(readFileSync(DOCUMENT, 'utf8'));
    const ajv = newAjv();
    ajv.addSchema({ ...document, $id: 'http://example.com/openapi.json' });
    const operations = Object.entries(document.paths).flatMap(([path, item]) =>
        Object.entries(item).filter(([, operation]) => operation?.requestBody !== undefined)
            .map(([method, operation]) => makeOperation(ajv, path, method.toUpperCase(), operation)));
    const result = { operations: operations.length, pairs: 0, valid: 0, differences: [] };
    for (let i = 0; i < count; i++) {
        compareOne(random, random.pick(operations), document, result);
    }
    return result;
}

function makeOperation(ajv, path, method, operation) {
    const { schema } = operation.requestBody.content['application/json'];
    return { method, target: path.replace(/\{\w+\}/g, '7'), schema,
        validate: ajv.compile({ $ref: `http://example.com/openapi.json${schema.$ref}` }) };
}

function compareOne(random, operation, document, result) {
    const text = makeBody(random, operation.schema.$ref.split('/').pop(), document);
    const theirs = operation.validate(JSON.parse(text));
    const ours = askOpenapiCheck(DOCUMENT, operation.method, operation.target, text);
    result.pairs++;
    result.valid += theirs ? 1 : 0;
    if (theirs !== ours.valid) {
        result.differences.push({ method: operation.method, target: operation.target, text, ajv: theirs,
            ours: ours.answer });
    }
}

function makeBody(random, name, document) {
    const schema = document.components.schemas[name];
    const maker = new Instances(random, true);
    const members = Object.keys(schema.properties).filter(() => random.chance(0.9));
    let body = Object.fromEntries(members.map((member) => [member, random.pick(GOOD[member] ?? VALUES)]));
    while (random.chance(0.5)) {
        body = random.chance(0.7) && members.length > 0
            ? { ...body, [random.chance(0.9) ? random.pick(members) : 'other']: random.pick(VALUES) }
            : maker.spoil(body);
    }
    return maker.write(body);
}

const GOOD = {
    productId: [1, 7, 2147483647], quantity: [1, 2, 1000000], name: ['Pen', 'é', '😀'.repeat(200)],
    price: [0, 1, 12.5, 49.99, 9999999999.99], qty: [0, 1, 2147483647],
};
