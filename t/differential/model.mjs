// JSON Schema 2020-12 as the specification puts it, as plainly as possible: no compiling, no speed.
// The third opinion where ajv is known to be wrong (README.md). Formats are those of ajv-formats.
import { isDeepStrictEqual } from 'node:util';
import { fullFormats } from 'ajv-formats/dist/formats.js';

export function ask(schema, instance) {
    return new Model(schema).check(schema, instance);
}

const isObject = (v) => v !== null && typeof v === 'object' && !Array.isArray(v);
const matches = (pattern, text) => new RegExp(pattern, 'u').test(text);

class Model {
    constructor(root) {
        this.root = root;
        this.resources = new Map(); // URI -> {schema, anchors, dynamic}
        this.homes = new Map(); // schema object -> URI of its resource
        this.index(root, 'http://model.invalid/');
    }

    check(schema, instance) {
        return this.apply(schema, instance, [this.homes.get(schema)]).valid;
    }

    index(schema, base) {
        if (Array.isArray(schema)) {
            schema.forEach((s) => this.index(s, base));
        }
        if (!isObject(schema)) {
            return;
        }
        const uri = typeof schema.$id === 'string' ? new URL(schema.$id, base).href : base;
        if (!this.resources.has(uri)) {
            this.resources.set(uri, { schema, anchors: new Map(), dynamic: new Set() });
        }
        this.homes.set(schema, uri);
        for (const keyword of ['$anchor', '$dynamicAnchor']) {
            if (typeof schema[keyword] === 'string') {
                this.resources.get(uri).anchors.set(schema[keyword], schema);
            }
        }
        if (typeof schema.$dynamicAnchor === 'string') {
            this.resources.get(uri).dynamic.add(schema.$dynamicAnchor);
        }
        for (const [keyword, value] of Object.entries(schema)) {
            if (!['const', 'enum'].includes(keyword)) {
                this.index(value, uri);
            }
        }
    }

    resolve(reference, base) {
        const url = new URL(reference, base);
        const fragment = decodeURIComponent(url.hash.slice(1));
        url.hash = '';
        const resource = this.resources.get(url.href);
        if (fragment === '' || fragment.startsWith('/')) {
            return fragment.split('/').slice(1).reduce(
                (at, token) => at[token.replace(/~1/g, '/').replace(/~0/g, '~')], resource.schema);
        }
        return resource.anchors.get(fragment);
    }

    resolveDynamic(reference, scope) {
        const first = this.resolve(reference, scope.at(-1));
        const name = reference.slice(reference.indexOf('#') + 1);
        if (first.$dynamicAnchor !== name) {
            return first;
        }
        const outermost = scope.find((uri) => this.resources.get(uri).dynamic.has(name));
        return this.resources.get(outermost).anchors.get(name);
    }

    // {valid, names: evaluated members, items: evaluated indexes}
    apply(schema, value, scope) {
        const state = { valid: schema !== false, names: new Set(), items: new Set() };
        if (typeof schema === 'boolean') {
            return state;
        }
        const home = this.homes.get(schema);
        const here = home === scope.at(-1) ? scope : [...scope, home];
        this.inPlace(schema, value, here, state);
        if (!assertions(schema, value)) {
            state.valid = false;
        }
        if (Array.isArray(value)) {
            this.array(schema, value, here, state);
        }
        if (isObject(value)) {
            this.object(schema, value, here, state);
        }
        return state;
    }

    inPlace(schema, value, scope, state) {
        const run = (s) => this.apply(s, value, scope);
        const join = (result) => {
            if (result.valid) {
                result.names.forEach((n) => state.names.add(n));
                result.items.forEach((i) => state.items.add(i));
            }
            return result.valid;
        };
        const need = (good) => {
            state.valid = state.valid && good;
        };
        if ('$ref' in schema) {
            need(join(run(this.resolve(schema.$ref, scope.at(-1)))));
        }
        if ('$dynamicRef' in schema) {
            need(join(run(this.resolveDynamic(schema.$dynamicRef, scope))));
        }
        if ('allOf' in schema) {
            need(schema.allOf.map((s) => join(run(s))).every(Boolean));
        }
        if ('anyOf' in schema) {
            need(schema.anyOf.map((s) => join(run(s))).some(Boolean));
        }
        if ('oneOf' in schema) {
            need(schema.oneOf.map((s) => join(run(s))).filter(Boolean).length === 1);
        }
        if ('not' in schema) {
            need(!run(schema.not).valid);
        }
        if ('if' in schema) {
            const branch = join(run(schema.if)) ? schema.then : schema.else;
            need(branch === undefined || join(run(branch)));
        }
        for (const [name, s] of Object.entries(schema.dependentSchemas ?? {})) {
            need(!isObject(value) || !Object.hasOwn(value, name) || join(run(s)));
        }
    }

    array(schema, value, scope, state) {
        const one = (s, i) => {
            const good = this.apply(s, value[i], scope).valid;
            state.items.add(i);
            state.valid = state.valid && good;
        };
        const prefix = (schema.prefixItems ?? []).slice(0, value.length);
        prefix.forEach(one);
        if ('items' in schema) {
            value.forEach((_, i) => i >= (schema.prefixItems ?? []).length && one(schema.items, i));
        }
        if ('contains' in schema) {
            const found = value.map((v, i) => i).filter((i) => this.apply(schema.contains, value[i], scope).valid);
            found.forEach((i) => state.items.add(i));
            state.valid = state.valid && found.length >= (schema.minContains ?? 1) &&
                found.length <= (schema.maxContains ?? Infinity);
        }
        if ('unevaluatedItems' in schema) {
            value.map((_, i) => i).filter((i) => !state.items.has(i)).forEach((i) => one(schema.unevaluatedItems, i));
        }
    }

    object(schema, value, scope, state) {
        const done = new Set();
        const one = (s, name) => {
            const good = this.apply(s, value[name], scope).valid;
            done.add(name);
            state.valid = state.valid && good;
        };
        const names = Object.keys(value);
        names.filter((n) => Object.hasOwn(schema.properties ?? {}, n)).forEach((n) => one(schema.properties[n], n));
        for (const [pattern, s] of Object.entries(schema.patternProperties ?? {})) {
            names.filter((n) => matches(pattern, n)).forEach((n) => one(s, n));
        }
        if ('additionalProperties' in schema) {
            names.filter((n) => !done.has(n)).forEach((n) => one(schema.additionalProperties, n));
        }
        done.forEach((n) => state.names.add(n));
        if ('unevaluatedProperties' in schema) {
            names.filter((n) => !state.names.has(n)).forEach((n) => {
                one(schema.unevaluatedProperties, n);
                state.names.add(n);
            });
        }
        if ('propertyNames' in schema) {
            state.valid = names.every((n) => this.apply(schema.propertyNames, n, scope).valid) && state.valid;
        }
    }
}

const types = {
    null: (v) => v === null,
    boolean: (v) => typeof v === 'boolean',
    integer: (v) => Number.isInteger(v),
    number: (v) => typeof v === 'number',
    string: (v) => typeof v === 'string',
    array: (v) => Array.isArray(v),
    object: isObject,
};
const isNumber = types.number;
const isString = types.string;
const same = isDeepStrictEqual;

// Keywords without schemas: whether `limit` (the keyword's value) lets `v` pass.
const rules = {
    type: (limit, v) => [limit].flat().some((name) => types[name](v)),
    const: (limit, v) => same(limit, v),
    enum: (limit, v) => limit.some((w) => same(w, v)),
    multipleOf: (limit, v) => !isNumber(v) || Number.isInteger(v / limit),
    minimum: (limit, v) => !isNumber(v) || v >= limit,
    maximum: (limit, v) => !isNumber(v) || v <= limit,
    exclusiveMinimum: (limit, v) => !isNumber(v) || v > limit,
    exclusiveMaximum: (limit, v) => !isNumber(v) || v < limit,
    minLength: (limit, v) => !isString(v) || [...v].length >= limit,
    maxLength: (limit, v) => !isString(v) || [...v].length <= limit,
    pattern: (limit, v) => !isString(v) || matches(limit, v),
    // int32 says how large an integer may be; that it must be one, only "type" says
    format: (limit, v) => (limit === 'int32' && !Number.isInteger(v)) || hasFormat(fullFormats[limit], v),
    minItems: (limit, v) => !Array.isArray(v) || v.length >= limit,
    maxItems: (limit, v) => !Array.isArray(v) || v.length <= limit,
    uniqueItems: (limit, v) => !limit || !Array.isArray(v) ||
        !v.some((a, i) => v.slice(i + 1).some((b) => same(a, b))),
    minProperties: (limit, v) => !isObject(v) || Object.keys(v).length >= limit,
    maxProperties: (limit, v) => !isObject(v) || Object.keys(v).length <= limit,
    required: (limit, v) => !isObject(v) || limit.every((n) => Object.hasOwn(v, n)),
    dependentRequired: (limit, v) => !isObject(v) || Object.entries(limit).every(
        ([name, needed]) => !Object.hasOwn(v, name) || needed.every((n) => Object.hasOwn(v, n))),
};

// As ajv-formats declares them: an expression, a function, or an object with one of both.
function hasFormat(format, value) {
    const check = format.validate ?? format;
    if (typeof value !== (format.type ?? 'string')) {
        return true;
    }
    return check instanceof RegExp ? check.test(value) : check(value);
}

function assertions(schema, value) {
    return Object.keys(rules).every((keyword) => !(keyword in schema) || rules[keyword](schema[keyword], value));
}
