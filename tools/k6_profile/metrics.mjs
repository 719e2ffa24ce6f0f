// k6's metrics and thresholds: what is counted, and the expressions that judge it.

const EXPRESSION = /^\s*(p\(([0-9.]+)\)|count|rate|value|avg|min|max|med)\s*(<=|>=|<|>|===?|!=)\s*(-?[0-9.]+)\s*$/;
const AGGREGATES = {
    counter: ['count', 'rate'],
    gauge: ['value'],
    rate: ['rate'],
    trend: ['avg', 'min', 'max', 'med', 'p'],
};
const COMPARE = {
    '<': (a, b) => a < b,
    '<=': (a, b) => a <= b,
    '>': (a, b) => a > b,
    '>=': (a, b) => a >= b,
    '==': (a, b) => a === b,
    '===': (a, b) => a === b,
    '!=': (a, b) => a !== b,
};

export class Metric {
    constructor(name, kind) {
        Object.assign(this, { name, kind, values: [], sum: 0, passes: 0, total: 0, sorted: true });
    }

    add(value) {
        const number = Number(value);
        if (!Number.isFinite(number)) {
            throw new Error(`${this.name}.add(${value}): not a number`);
        }
        this.total++;
        this.sum = this.kind === 'gauge' ? number : this.sum + number;
        this.passes += number ? 1 : 0;
        if (this.kind === 'trend') {
            this.values.push(number);
            this.sorted = false;
        }
    }

    // As k6 0.48 does it: linear between the two nearest values.
    percentile(percent) {
        if (!this.values.length) {
            return 0;
        }
        if (!this.sorted) {
            this.values.sort((a, b) => a - b);
            this.sorted = true;
        }
        const at = (percent / 100) * (this.values.length - 1);
        const low = this.values[Math.floor(at)];
        return low + (this.values[Math.ceil(at)] - low) * (at - Math.floor(at));
    }

    // seconds: how long the run took, for the rate of a counter.
    aggregate(name, percent, seconds) {
        switch (name) {
        case 'count': return this.sum;
        case 'value': return this.sum;
        case 'rate': return this.kind === 'counter' ? this.sum / seconds : this.passes / this.total;
        case 'avg': return this.total ? this.sum / this.total : 0;
        case 'min': return this.percentile(0);
        case 'max': return this.percentile(100);
        case 'med': return this.percentile(50);
        default: return this.percentile(percent);
        }
    }
}

// thresholds of options, each parsed: { metric, expression, aggregate, percent, compare, limit }.
export function parseThresholds(options, metrics) {
    const all = [];
    for (const [name, expressions] of Object.entries(options.thresholds ?? {})) {
        const metric = metrics.get(name);
        if (name.includes('{')) {
            throw new Error(`thresholds: '${name}': thresholds of single tags are not supported here`);
        }
        if (!metric) {
            throw new Error(`thresholds: there is no metric '${name}'; there are ${[...metrics.keys()].join(', ')}`);
        }
        for (const expression of [].concat(expressions)) {
            if (typeof expression !== 'string') {
                throw new Error(`thresholds: ${name}: only strings are supported here, no abortOnFail: ` +
                    JSON.stringify(expression));
            }
            const parts = EXPRESSION.exec(expression);
            const aggregate = parts?.[1].replace(/\(.*/, '');
            if (!parts || !AGGREGATES[metric.kind].includes(aggregate)) {
                throw new Error(`thresholds: '${expression}' is no expression for ${name}, which is a ${metric.kind}`);
            }
            const [percent, limit] = [parts[2], parts[4]].map(Number);
            all.push({ metric, expression, aggregate, percent, compare: parts[3], limit });
        }
    }
    return all;
}

// judge(THRESHOLDS, SECONDS): for each { metric, kind, expression, value, ok }. As in k6, a rate of which
// nothing was measured holds, whatever its expression; other metrics are 0 then.
export function judge(thresholds, seconds) {
    return thresholds.map(({ metric, expression, aggregate, percent, compare, limit }) => {
        const value = metric.aggregate(aggregate, percent, seconds);
        const empty = metric.kind === 'rate' && metric.total === 0;
        return { metric: metric.name, kind: metric.kind, expression, value,
            ok: empty || COMPARE[compare](value, limit) };
    });
}
