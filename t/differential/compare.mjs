// Compare our validator with ajv; one line of JSON on standard output.
//
// Usage: node compare.mjs schemas|patterns|formats|bodies [--seed N] [--count N]
import { compareBodies } from './bodies.mjs';
import { comparePatterns, compareFormats } from './texts.mjs';
import { compareSchemas } from './pairs.mjs';
import { Random } from './random.mjs';

const parts = { schemas: compareSchemas, patterns: comparePatterns, formats: compareFormats, bodies: compareBodies };
const [part, ...rest] = process.argv.slice(2);
const options = { seed: 1, count: 1000 };
for (let i = 0; i < rest.length; i += 2) {
    options[rest[i].replace(/^--/, '')] = Number(rest[i + 1]);
}
if (!(part in parts) || Object.values(options).some((n) => !Number.isInteger(n))) {
    console.error('usage: node compare.mjs schemas|patterns|formats|bodies [--seed N] [--count N]');
    process.exit(2);
}
console.log(JSON.stringify(parts[part](new Random(options.seed), options.count)));
