// What ajv costs for one body, as micro_validator.c measures ours.
//
// Usage: node bench/ajv.mjs SCHEMA BODY [MILLISECONDS]      (called by bench/validator.sh)
//
// Prints "TEXT_NS VALUE_NS VALID": JSON.parse() and verdict, verdict alone.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(new URL('../t/differential/', import.meta.url));
const Ajv2020 = require('ajv/dist/2020.js').default;
const addFormats = require('ajv-formats').default;

const WARM_UP_ROUNDS = 20000;

const [schemaFile, bodyFile, milliseconds = '300'] = process.argv.slice(2);
const ajv = new Ajv2020({ strict: false, unicodeRegExp: true, logger: false });
addFormats(ajv);
const validate = ajv.compile(JSON.parse(readFileSync(schemaFile, 'utf8')));
const text = readFileSync(bodyFile, 'utf8');
const value = JSON.parse(text);
let valid = 0;

function measure(judge) {
    const warmUp = Math.max(50, Math.min(WARM_UP_ROUNDS, 3e7 / text.length));
    for (let i = 0; i < warmUp; i++) {
        valid += judge() ? 1 : 0;
    }
    const time = BigInt(Math.round(Number(milliseconds) * 1e6));
    const begin = process.hrtime.bigint();
    let calls = 0;
    let spent = 0n;
    for (let round = 1; spent < time; round *= 2) {
        for (let i = 0; i < round; i++) {
            valid += judge() ? 1 : 0;
        }
        calls += round;
        spent = process.hrtime.bigint() - begin;
    }
    return Number(spent) / calls;
}

const textNs = measure(() => validate(JSON.parse(text)));
const valueNs = measure(() => validate(value));
console.log(`${textNs.toFixed(1)} ${valueNs.toFixed(1)} ${valid > 0 ? 'valid' : 'invalid'}`);
