// Instances for a schema: built to fit it as far as that is easy, then spoiled now and then.
import { FORMATS } from './samples.mjs';
import { NAMES, NUMBERS, STRINGS } from './schemas.mjs';

const LEVELS_MAX = 6;

export class Instances {
    constructor(random, root) {
        this.random = random;
        this.root = root;
    }

    // One instance, as JSON text: the same number or string can be written in several ways.
    text() {
        let value = this.fit(this.root, 0);
        while (this.random.chance(0.45)) {
            value = this.spoil(value);
        }
        return this.write(value);
    }

    any(level = 0) {
        const r = this.random;
        switch (r.below(level < 2 ? 7 : 5)) {
        case 0: return r.pick([null, true, false]);
        case 1: case 2: return r.pick(NUMBERS);
        case 3: case 4: return r.pick(STRINGS);
        case 5: return Array.from({ length: r.below(4) }, () => this.any(level + 1));
        default: return Object.fromEntries(r.some(NAMES, 3).map((name) => [name, this.any(level + 1)]));
        }
    }

    fit(schema, level) {
        if (typeof schema !== 'object' || level > LEVELS_MAX) {
            return this.any(level);
        }
        const wanted = this.merged(schema, level);
        if ('const' in wanted) {
            return wanted.const;
        }
        if (Array.isArray(wanted.enum) && this.random.chance(0.9)) {
            return this.random.pick(wanted.enum);
        }
        switch (this.kindOf(wanted)) {
        case 'null': return null;
        case 'boolean': return this.random.chance(0.5);
        case 'integer': return this.random.pick(NUMBERS.filter(Number.isInteger));
        case 'number': return this.number(wanted);
        case 'string': return this.string(wanted);
        case 'array': return this.array(wanted, level);
        case 'object': return this.object(wanted, level);
        default: return this.any(level);
        }
    }

    // The schema with what one choice of its branches asks for.
    merged(schema, level) {
        let all = { ...schema };
        const take = (other) => {
            if (typeof other === 'object' && level < LEVELS_MAX) {
                const more = this.merged(other, level + 1);
                all = { ...more, ...all, properties: { ...more.properties, ...all.properties } };
                all.required = [...(all.required ?? []), ...(more.required ?? [])];
            }
        };
        if (schema.$ref ?? schema.$dynamicRef) {
            take(this.resolve(schema.$ref ?? schema.$dynamicRef));
        }
        (schema.allOf ?? []).forEach(take);
        [schema.anyOf, schema.oneOf].filter(Boolean).forEach((list) => take(this.random.pick(list)));
        if (schema.if !== undefined && this.random.chance(0.5)) {
            take(schema.if);
            take(schema.then);
        } else {
            take(schema.else);
        }
        return all;
    }

    resolve(reference) {
        if (reference === '#' || reference === '#node') {
            return this.root;
        }
        const name = /d\d$/.exec(reference)?.[0] ?? reference.replace(/.*#anchor/, 'd');
        return this.root.$defs[name] ?? Object.values(this.root.$defs).find((d) => d.$id) ?? true;
    }

    kindOf(schema) {
        const type = Array.isArray(schema.type) ? this.random.pick(schema.type) : schema.type;
        const has = (...names) => names.some((name) => name in schema);
        if (type !== undefined) {
            return type;
        }
        const kinds = [];
        if (has('patternProperties', 'additionalProperties', 'propertyNames', 'minProperties',
            'maxProperties', 'dependentSchemas', 'dependentRequired', 'unevaluatedProperties') ||
            Object.keys(schema.properties ?? {}).length > 0 || schema.required?.length > 0) {
            kinds.push('object');
        }
        if (has('prefixItems', 'items', 'contains', 'minItems', 'maxItems', 'uniqueItems', 'unevaluatedItems')) {
            kinds.push('array');
        }
        if (has('minLength', 'maxLength', 'pattern', 'format')) {
            kinds.push('string');
        }
        if (has('minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf')) {
            kinds.push('number');
        }
        return kinds.length > 0 ? this.random.pick(kinds) : undefined;
    }

    number(schema) {
        const near = [schema.minimum, schema.maximum, schema.exclusiveMinimum, schema.exclusiveMaximum,
            schema.multipleOf].filter((n) => n !== undefined);
        return near.length > 0 && this.random.chance(0.6)
            ? this.random.pick(near) + this.random.pick([0, 1, -1, 0.5]) : this.random.pick(NUMBERS);
    }

    string(schema) {
        if (schema.format in FORMATS && this.random.chance(0.8)) {
            const text = this.random.pick(FORMATS[schema.format]);
            return this.random.chance(0.5) ? text : this.spoilText(text);
        }
        return this.random.pick(STRINGS);
    }

    array(schema, level) {
        const length = this.random.chance(0.5) ? schema.minItems ?? this.random.below(4) : this.random.below(5);
        return Array.from({ length }, (_, i) => {
            if (i < (schema.prefixItems?.length ?? 0)) {
                return this.fit(schema.prefixItems[i], level + 1);
            }
            const rest = [schema.items, schema.contains, schema.unevaluatedItems].filter((s) => s !== undefined);
            return rest.length > 0 ? this.fit(this.random.pick(rest), level + 1) : this.any(level + 1);
        });
    }

    object(schema, level) {
        const made = {};
        const names = new Set(schema.required ?? []);
        Object.keys(schema.properties ?? {}).filter(() => this.random.chance(0.6)).forEach((n) => names.add(n));
        this.random.some(NAMES, this.random.below(3)).forEach((n) => names.add(n));
        for (const name of names) {
            const pattern = Object.keys(schema.patternProperties ?? {}).find((p) => new RegExp(p, 'u').test(name));
            const inner = schema.properties?.[name] ?? schema.patternProperties?.[pattern] ??
                schema.additionalProperties ?? schema.unevaluatedProperties;
            made[name] = inner !== undefined ? this.fit(inner, level + 1) : this.any(level + 1);
        }
        return made;
    }

    // A small change somewhere.
    spoil(value) {
        const r = this.random;
        if (Array.isArray(value) && value.length > 0 && r.chance(0.8)) {
            const copy = [...value];
            const at = r.below(copy.length);
            r.pick([() => copy.splice(at, 1), () => copy.push(r.pick(copy)), () => copy.push(this.any(1)),
                () => (copy[at] = this.spoil(copy[at])), () => copy.reverse()])();
            return copy;
        }
        if (value !== null && typeof value === 'object' && Object.keys(value).length > 0 && r.chance(0.8)) {
            const copy = { ...value };
            const name = r.pick(Object.keys(copy));
            r.pick([() => delete copy[name], () => (copy[r.pick(NAMES)] = this.any(1)),
                () => (copy[name] = this.spoil(copy[name])), () => (copy[r.pick(NAMES)] = copy[name])])();
            return copy;
        }
        if (typeof value === 'number' && r.chance(0.6)) {
            return value + r.pick([1, -1, 0.5]);
        }
        if (typeof value === 'string' && r.chance(0.6)) {
            return this.spoilText(value);
        }
        return this.any();
    }

    spoilText(text) {
        const points = [...text];
        const at = this.random.below(points.length + 1);
        points.splice(at, this.random.below(2), this.random.pick(['0', 'a', '-', '/', '~', ':', '.', '', '9']));
        return points.join('');
    }

    write(value) {
        const r = this.random;
        if (typeof value === 'number') {
            return Number.isInteger(value) && Math.abs(value) < 1000 && r.chance(0.3)
                ? r.pick([`${value}.0`, `${value}e0`, `${value * 10}e-1`]) : JSON.stringify(value);
        }
        if (typeof value === 'string') {
            return r.chance(0.2) ? `"${[...value].map(escaped).join('')}"` : JSON.stringify(value);
        }
        if (Array.isArray(value)) {
            return `[${value.map((v) => this.write(v)).join(r.pick([',', ' , ']))}]`;
        }
        if (value !== null && typeof value === 'object') {
            const members = Object.keys(value).map((k) => `${JSON.stringify(k)}:${this.write(value[k])}`);
            return `{${members.join(r.pick([',', ', ']))}}`;
        }
        return JSON.stringify(value);
    }
}

function escaped(character) {
    return Array.from({ length: character.length }, (_, i) =>
        `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`).join('');
}
