// What a script imports from 'k6/metrics'.
import { world } from './world.mjs';

// As in k6, a metric of a name that is there already is that metric.
function kindOf(kind) {
    return class {
        constructor(name) {
            this.metric = world.declare(name, kind);
        }

        add(value) {
            this.metric.add(value);
        }
    };
}

export const Counter = kindOf('counter');
export const Gauge = kindOf('gauge');
export const Rate = kindOf('rate');
export const Trend = kindOf('trend');
