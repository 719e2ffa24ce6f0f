// Random JSON Schemas of draft 2020-12: every keyword of the core, applicator, unevaluated and
// validation vocabularies, nested, with references of every kind.
//
// Left out on purpose, because the other validator and ours differ there by design or by its mistake:
// see "Known differences" in README.md.
import { FORMATS } from './samples.mjs';

export const NAMES = ['a', 'b', 'c', 'é', 'x~/y'];
export const STRINGS = ['', 'a', 'ab', 'abc', 'aaaa', 'b', 'é', '😀', '😀😀', 'a1', '1', ' ', 'ab cd', '\n'];
export const NUMBERS = [-2, -1, -0.5, 0, 0.25, 0.5, 1, 1.5, 2, 3, 4, 5, 10, 100, 2147483648];
const PATTERNS = ['^a', 'b$', '^[a-z]+$', '\\d', '^.{2}$', '^\\S*$', '\\p{L}', '^(?:ab|cd)*$', 'a{2,}',
    '^😀+$', '^[^]$', '\\bab\\b', '^(?!a)', '[^a]'];
const TYPES = ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object'];
const BASE = 'http://example.com/';

// One schema document: {schema, uses: how often each keyword is in it}.
export function makeDocument(random) {
    const maker = new Maker(random);
    return { schema: maker.document(), uses: maker.uses };
}

class Maker {
    constructor(random) {
        this.random = random;
        this.uses = {};
        this.definitions = 1 + random.below(4);
        this.anchors = random.chance(0.5);
        this.dynamic = random.chance(0.2);
        this.embedded = random.chance(0.25) ? this.definitions - 1 : -1; // a definition with its own $id
        this.identified = this.embedded >= 0 || random.chance(0.2);
    }

    document() {
        const root = this.objectSchema(3, { after: -1, base: 'root' });
        if (this.identified) {
            root.$id = BASE + 'root';
        }
        if (this.dynamic) {
            root.$dynamicAnchor = 'node';
        }
        root.$defs = {};
        for (let i = 0; i < this.definitions; i++) {
            root.$defs[`d${i}`] = this.definition(i);
        }
        return root;
    }

    definition(i) {
        const embedded = i === this.embedded;
        const made = this.objectSchema(2, { after: i, base: embedded ? 'inner' : 'root' });
        if (embedded) {
            made.$id = BASE + 'inner';
        }
        if (this.anchors) {
            made.$anchor = `anchor${i}`;
        }
        return made;
    }

    // `scope.after`: references that apply to the same value may only go to later definitions, so
    // that they end; below a property or an item any will do.
    schema(depth, scope) {
        if (this.random.chance(0.08)) {
            return this.random.chance(0.7);
        }
        return this.objectSchema(depth, scope);
    }

    objectSchema(depth, scope) {
        const made = {};
        const count = 1 + this.random.below(depth > 1 ? 4 : 2);
        for (let i = 0; i < count; i++) {
            this.random.pick(depth > 0 ? [simple, simple, applicators, applicators] : [simple])
                .call(this, made, depth, scope);
        }
        if (depth > 0 && this.random.chance(0.15)) {
            unevaluated.call(this, made, depth, scope);
        }
        for (const keyword of Object.keys(made)) {
            this.uses[keyword] = (this.uses[keyword] ?? 0) + 1;
        }
        return made;
    }

    value(depth = 2) {
        const r = this.random;
        const kind = r.below(depth > 0 ? 8 : 5);
        if (kind < 2) {
            return r.pick(NUMBERS);
        }
        if (kind < 4) {
            return r.pick(STRINGS);
        }
        if (kind < 5) {
            return r.pick([null, true, false]);
        }
        if (kind < 6) {
            return Array.from({ length: r.below(4) }, () => this.value(depth - 1));
        }
        return Object.fromEntries(r.some(NAMES, r.below(4)).map((name) => [name, this.value(depth - 1)]));
    }

    reference(scope) {
        const targets = [];
        for (let i = scope.after + 1; i < this.definitions; i++) {
            targets.push(i);
        }
        const inner = scope.base === 'inner';
        if (scope.below && !inner && this.random.chance(0.2)) {
            return { $ref: '#' };
        }
        if (scope.below && this.dynamic && !inner && this.random.chance(0.4)) {
            return { $dynamicRef: '#node' };
        }
        if (targets.length === 0) {
            return {};
        }
        const i = this.random.pick(targets);
        const choices = [`#/$defs/d${i}`];
        if (i === this.embedded) {
            choices.push('inner', BASE + 'inner');
        } else if (this.anchors) {
            choices.push(`#anchor${i}`);
        }
        const chosen = this.random.pick(choices);
        return { $ref: inner && chosen.startsWith('#') ? 'root' + chosen : chosen };
    }
}

const below = (scope) => ({ ...scope, after: -1, below: true });

// Keywords that hold no schemas.
function simple(made) {
    const r = this.random;
    const size = () => r.below(4);
    const add = {
        type: () => (r.chance(0.6) ? r.pick(TYPES) : r.some(TYPES, 2)),
        const: () => this.value(),
        enum: () => {
            const values = Array.from({ length: 1 + r.below(4) }, () => this.value(1));
            return values.filter((v, i) => values.findIndex((w) => JSON.stringify(w) === JSON.stringify(v)) === i);
        },
        multipleOf: () => r.pick([0.25, 0.5, 1, 2, 3]),
        minimum: () => r.pick(NUMBERS),
        maximum: () => r.pick(NUMBERS),
        exclusiveMinimum: () => r.pick(NUMBERS),
        exclusiveMaximum: () => r.pick(NUMBERS),
        minLength: size,
        maxLength: size,
        pattern: () => r.pick(PATTERNS),
        format: () => r.pick(Object.keys(FORMATS)),
        minItems: size,
        maxItems: size,
        uniqueItems: () => r.chance(0.8),
        minProperties: size,
        maxProperties: size,
        required: () => r.some(NAMES, 2),
        dependentRequired: () => Object.fromEntries(r.some(NAMES, 2).map((n) => [n, r.some(NAMES, 2)])),
    };
    const keyword = r.pick(Object.keys(add));
    made[keyword] = add[keyword]();
}

// Keywords that hold schemas.
function applicators(made, depth, scope) {
    const r = this.random;
    const same = () => this.schema(depth - 1, scope);
    const inside = () => this.schema(depth - 1, below(scope));
    const several = (one) => Array.from({ length: 1 + r.below(3) }, one);
    const named = (names, one) => Object.fromEntries(r.some(names, 3).map((name) => [name, one()]));
    const add = {
        $ref: () => Object.assign(made, this.reference(scope)),
        belowRef: () => {
            made.properties = { ...made.properties, [r.pick(NAMES)]: this.reference(below(scope)) };
        },
        itemsRef: () => (made.items = this.reference(below(scope))),
        allOf: () => (made.allOf = several(same)),
        anyOf: () => (made.anyOf = several(same)),
        oneOf: () => (made.oneOf = several(same)),
        not: () => (made.not = same()),
        if: () => {
            made.if = same();
            made[r.pick(['then', 'else'])] = same();
        },
        prefixItems: () => (made.prefixItems = several(inside)),
        items: () => (made.items = inside()),
        contains: () => {
            made.contains = inside();
            made[r.pick(['minContains', 'maxContains', 'minContains'])] = r.below(3);
        },
        properties: () => (made.properties = { ...made.properties, ...named(NAMES, inside) }),
        patternProperties: () => (made.patternProperties = named(['^a', '[bc]', 'é', '^.{3,}$'], inside)),
        additionalProperties: () => (made.additionalProperties = inside()),
        propertyNames: () => (made.propertyNames = inside()),
        dependentSchemas: () => (made.dependentSchemas = named(NAMES, same)),
    };
    add[r.pick(Object.keys(add))]();
}

function unevaluated(made, depth, scope) {
    const keyword = this.random.pick(['unevaluatedProperties', 'unevaluatedItems']);
    made[keyword] = this.random.chance(0.6) ? false : this.schema(depth - 1, below(scope));
}
