// Random schemas with random instances: ours against ajv, and against the model.
import { Instances } from './instances.mjs';
import { ask as askModel } from './model.mjs';
import { makeDocument } from './schemas.mjs';
import { shrink } from './shrink.mjs';
import { askAjv, askOurs } from './validators.mjs';

const INSTANCES = 24;
const SHOWN_MAX = 10;

// {pairs, valid, ajvAlone: pairs where only ajv differs, uses: keywords in schemas,
// decided: keywords of ajv's errors, differences: [...]}
export function compareSchemas(random, count) {
    const result = { pairs: 0, valid: 0, ajvAlone: 0, uses: {}, decided: {}, differences: [] };
    for (let i = 0; i < count && result.differences.length < SHOWN_MAX; i++) {
        compareOne(random, result);
    }
    return result;
}

const mentions = (schema, words) => words.some((word) => JSON.stringify(schema).includes(word));

// Where ajv is known to err (README.md): it does not follow evaluated items and members through every
// keyword, and takes an empty array for "contains" beside "prefixItems".
const ajvMayErr = (schema) => mentions(schema, ['"unevaluated', '"$dynamicRef']) ||
    (mentions(schema, ['"contains"']) && mentions(schema, ['"prefixItems"']));
// What is wrong with our verdict: undefined is nothing, 'ajv alone' is not ours.
function judge(schema, text, theirs, ours) {
    if (askModel(schema, JSON.parse(text)) !== ours) {
        return 'the model differs';
    }
    if (theirs !== ours) {
        return theirs === 'exception' || ajvMayErr(schema) ? 'ajv alone' : 'ajv differs';
    }
    return undefined;
}

function compareOne(random, result) {
    const { schema, uses } = makeDocument(random);
    const instances = new Instances(random, schema);
    const texts = Array.from({ length: INSTANCES }, () => instances.text());
    const theirs = askAjv(schema, texts);
    const ours = askOurs(schema, texts);
    if (theirs.refused || ours.refused) {
        result.differences.push({ schema, ajv: theirs.refused ?? 'compiles', ours: ours.refused ?? 'compiles' });
        return;
    }
    add(result.uses, Object.entries(uses));
    add(result.decided, theirs.keywords.map((keyword) => [keyword, 1]));
    result.pairs += texts.length;
    result.valid += ours.verdicts.filter(Boolean).length;
    const judged = texts.map((text, i) => judge(schema, text, theirs.verdicts[i], ours.verdicts[i]));
    result.ajvAlone += judged.filter((word) => word === 'ajv alone').length;
    const at = judged.findIndex((word) => word !== undefined && word !== 'ajv alone');
    if (at >= 0) {
        result.differences.push(explain(schema, texts[at], judged[at]));
    }
    const silent = texts.findIndex((_, i) => ours.verdicts[i] !== (ours.errors[i].length === 0));
    if (silent >= 0) {
        result.differences.push({ schema, instance: texts[silent], ours: 'verdict and errors disagree' });
    }
}

function explain(schema, text, word) {
    const differs = (s, v) => {
        const texts = [JSON.stringify(v)];
        const theirs = askAjv(s, texts);
        const ours = askOurs(s, texts);
        try {
            return !theirs.refused && !ours.refused &&
                judge(s, texts[0], theirs.verdicts[0], ours.verdicts[0]) === word;
        } catch {
            return false; // a reference of the model's lost its target
        }
    };
    const value = JSON.parse(text);
    if (!differs(schema, value)) {
        return { word, schema, text, ours: 'differs only as it is written' };
    }
    const small = shrink(schema, value, differs);
    const texts = [JSON.stringify(small.instance)];
    return { word, ...small, ajv: askAjv(small.schema, texts).verdicts[0],
        ours: askOurs(small.schema, texts).verdicts[0] };
}

function add(counts, entries) {
    for (const [keyword, n] of entries) {
        counts[keyword] = (counts[keyword] ?? 0) + n;
    }
}
