// The smallest (schema, instance) that still shows a difference: parts are taken away as long as it does.
const ASKED_MAX = 300;

export function shrink(schema, instance, differs) {
    let best = { schema, instance };
    let asked = 0;
    for (let smaller = true; smaller && asked < ASKED_MAX;) {
        smaller = false;
        for (const candidate of candidates(best)) {
            if (asked++ >= ASKED_MAX) {
                break;
            }
            if (differs(candidate.schema, candidate.instance)) {
                best = candidate;
                smaller = true;
                break;
            }
        }
    }
    return best;
}

function* candidates({ schema, instance }) {
    for (const smaller of reductions(schema)) {
        yield { schema: smaller, instance };
    }
    for (const smaller of reductions(instance)) {
        yield { schema, instance: smaller };
    }
}

// Every value that is this one with a part taken away, or a part in its place.
function* reductions(value) {
    if (value === null || typeof value !== 'object') {
        return;
    }
    for (const key of Object.keys(value)) {
        const without = Array.isArray(value) ? value.filter((_, i) => String(i) !== key) : { ...value };
        if (!Array.isArray(value)) {
            delete without[key];
        }
        yield without;
        yield value[key];
        for (const smaller of reductions(value[key])) {
            const copy = Array.isArray(value) ? [...value] : { ...value };
            copy[key] = smaller;
            yield copy;
        }
    }
}
