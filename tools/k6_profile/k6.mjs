// What a script imports from 'k6'.
import { world } from './world.mjs';

export function check(value, sets) {
    let good = true;
    for (const [name, holds] of Object.entries(sets)) {
        const held = Boolean(typeof holds === 'function' ? holds(value) : holds);
        world.checks[name] ??= { passes: 0, fails: 0 };
        world.checks[name][held ? 'passes' : 'fails']++;
        world.metric('checks').add(held);
        good &&= held;
    }
    return good;
}

export function sleep(seconds) {
    if (world.iteration !== null) {
        throw new Error('sleep() in an iteration: wrk cannot do that');
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * 1000);
}
