// A seeded source of choices: the same seed makes the same test, anywhere.
export class Random {
    constructor(seed) {
        this.state = seed >>> 0;
    }

    // A number from 0 to below 1 (mulberry32).
    next() {
        this.state = (this.state + 0x6d2b79f5) >>> 0;
        let t = this.state;
        t = Math.imul(t ^ (t >>> 15), t | 1);
        t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    }

    below(n) {
        return Math.floor(this.next() * n);
    }

    chance(probability) {
        return this.next() < probability;
    }

    pick(list) {
        return list[this.below(list.length)];
    }

    // Up to `count` of the list, in its order.
    some(list, count) {
        const chosen = new Set();
        for (let i = 0; i < count; i++) {
            chosen.add(this.below(list.length));
        }
        return list.filter((_, i) => chosen.has(i));
    }
}
