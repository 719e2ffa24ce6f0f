// What k6 has besides what @types/k6 declares.
declare const console: { log(...values: unknown[]): void };
