// Lints the scripts of the Postman collection and of t/e2e/, by the rules for k6/ and four spaces.
//
// Usage: node scripts.mjs COLLECTION FILE...
//
// Prints one line for each mistake: where, the line, and the rule with its message.
import { readFileSync } from 'node:fs';

import { Linter } from 'eslint';

import k6 from './eslint.config.mjs';

const rules = { ...k6.find((part) => part.rules).rules, indent: ['error', 4, { SwitchCase: 0 }] };
const readonly = (...names) => Object.fromEntries(names.map((name) => [name, 'readonly']));

// Postman runs each script by itself: what one declares no other one sees.
const forScript = {
    languageOptions: {
        ecmaVersion: 2022,
        sourceType: 'script',
        globals: readonly('pm', 'console', 'setTimeout'),
    },
    rules,
};
const forModule = {
    languageOptions: { ecmaVersion: 2022, sourceType: 'module', globals: readonly('console', 'process') },
    rules,
};

const linter = new Linter();

function check(place, text, config) {
    for (const { line, ruleId, message } of linter.verify(text, config)) {
        console.log(`${place}: line ${line}: ${ruleId}: ${message}`);
    }
}

function checkItem(item, names) {
    for (const event of item.event ?? []) {
        check([...names, event.listen].join(' / '), event.script.exec.join('\n'), forScript);
    }
    for (const inner of item.item ?? []) {
        checkItem(inner, [...names, inner.name]);
    }
}

const [collection, ...files] = process.argv.slice(2);
checkItem(JSON.parse(readFileSync(collection, 'utf8')), []);
for (const file of files) {
    check(file, readFileSync(file, 'utf8'), forModule);
}
