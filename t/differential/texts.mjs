// Regular expressions and formats: our answers for many of them at once, through one schema.
import { FORMATS } from './samples.mjs';
import { Instances } from './instances.mjs';
import { askAjv, askOurs } from './validators.mjs';

const BATCH = 50;
const SHOWN_MAX = 20;

const PIECES = ['a', 'b', 'c', '-', '.', '^', '$', '*', '+', '?', '{2}', '{1,3}', '{', '}', '[', ']', '[^', '(',
    '(?:', '(?=', '(?!', '(?<=', '(?<!', '(?<n>', '\\k<n>', '\\1', '\\2', '|', ')', '\\d', '\\w', '\\s', '\\S',
    '\\W', '\\D', '\\b', '\\p{L}', '\\P{Lu}', '\\p{Script=Greek}', '\\p{scx=Grek}', '\\u0061', '\\u{1F600}',
    '\\ud83d\\ude00', '\\ud83d', '\\cA', '\\0', '\\x41', '\\-', '\\/', '\\.', '\\z', 'é', '😀', 'a-c', '[a-c]',
    '[\\d-x]', '[^]', '[]', '\\p{ASCII}', '\\p{Nonsense}', '(a)', '(a|b)', 'a*', 'b+?', '(?i)', '[\\b]',
    '[\\s\\S]', '[^\\S]', '[^\\W\\p{Lu}]', '\\n', ' ', ',', '2', '\\p{Any}', '\\p{Assigned}', '\\p{gc=Lu}'];
const CHARACTERS = ['a', 'b', 'c', 'A', '1', '-', ' ', '\n', 'é', '😀', 'α', '\u2028', '\u00a0', '_', '\u0001',
    '2', ',', 'x', '漢'];

const join = (random, list, count) => Array.from({ length: count }, () => random.pick(list)).join('');

function makePattern(random) {
    for (;;) {
        const source = join(random, PIECES, 1 + random.below(9));
        // A group inside of a repeated group keeps an earlier round's match in ours (pattern.h).
        if (!/\\[12k]/.test(source) || !/\)[*+?{]/.test(source)) {
            return source;
        }
    }
}

function compileOrNull(source) {
    try {
        return new RegExp(source, 'u');
    } catch {
        return null;
    }
}

// Whether they are expressions ("format": "regex"), and what those match ("pattern").
export function comparePatterns(random, count) {
    const result = { pairs: 0, valid: 0, matches: 0, unsupported: 0, differences: [] };
    for (let done = 0; done < count && result.differences.length < SHOWN_MAX; done += BATCH) {
        const sources = Array.from({ length: BATCH }, () => makePattern(random));
        const texts = sources.map(() => join(random, CHARACTERS, random.below(9)));
        const expected = sources.map(compileOrNull);
        const formats = askOurs({ format: 'regex' }, sources.map((s) => JSON.stringify(s)));
        sources.forEach((source, i) => {
            if (formats.verdicts[i] !== (expected[i] !== null)) {
                result.differences.push({ source, ecma: expected[i] !== null, ours: formats.verdicts[i] });
            }
        });
        compareMatches(result, sources, expected, texts);
        result.pairs += BATCH;
        result.valid += expected.filter(Boolean).length;
    }
    return result;
}

function compareMatches(result, sources, expected, texts) {
    const chosen = sources.map((_, i) => i).filter((i) => expected[i] !== null);
    let schema = { properties: Object.fromEntries(chosen.map((i) => [i, { pattern: sources[i] }])) };
    let ours = askOurs(schema, [JSON.stringify(texts)].map(() => asObject(chosen, texts)));
    // A lookbehind of variable length is not supported: take out what is said to be so.
    while (ours.refused) {
        const at = Object.keys(schema.properties).find((i) => ours.refused.includes(`/properties/${i}/pattern`));
        if (at === undefined || !/not supported/.test(ours.refused)) {
            result.differences.push({ refused: ours.refused });
            return;
        }
        delete schema.properties[at];
        result.unsupported++;
        ours = askOurs(schema, [asObject(Object.keys(schema.properties), texts)]);
    }
    const refused = new Set(ours.errors[0].map((error) => error.path.slice(1)));
    for (const i of Object.keys(schema.properties)) {
        const match = expected[i].test(texts[i]);
        result.matches += match ? 1 : 0;
        if (match === refused.has(i)) {
            result.differences.push({ source: sources[i], text: texts[i], ecma: match, ours: !refused.has(i) });
        }
    }
}

function asObject(keys, texts) {
    return JSON.stringify(Object.fromEntries(keys.map((i) => [i, texts[i]])));
}

// Samples with up to three small changes.
export function compareFormats(random, count) {
    const result = { pairs: 0, valid: 0, differences: [] };
    const maker = new Instances(random, true);
    for (const format of Object.keys(FORMATS).filter((name) => name !== 'int32')) {
        const texts = Array.from({ length: count }, () => {
            let text = random.pick(FORMATS[format]);
            for (let changes = random.below(4); changes > 0; changes--) {
                text = maker.spoilText(text);
            }
            return JSON.stringify(text);
        });
        const theirs = askAjv({ format }, texts);
        const ours = askOurs({ format }, texts);
        texts.forEach((text, i) => {
            if (theirs.verdicts[i] !== ours.verdicts[i]) {
                result.differences.push({ format, text, ajv: theirs.verdicts[i], ours: ours.verdicts[i] });
            }
        });
        result.pairs += texts.length;
        result.valid += theirs.verdicts.filter(Boolean).length;
    }
    return result;
}
