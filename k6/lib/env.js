/*
 * What a script takes from the environment: `k6 run -e NAME=VALUE`, or the environment of k6 itself.
 *
 * An unset or empty variable means its default. A malformed one is an error that names it, before any
 * request is sent.
 */

const PRODUCT_ID_MAX = Number.MAX_SAFE_INTEGER;

/**
 * @param {string} name
 * @param {string} fallback
 * @param {RegExp} pattern
 * @param {string} expected what the pattern means, with an example
 * @returns {string}
 */
function matching(name, fallback, pattern, expected) {
    const text = __ENV[name] || fallback;
    if (!pattern.test(text)) {
        throw new Error(`${name} must be ${expected}, not '${text}'`);
    }
    return text;
}

/**
 * The address of a server, without a slash at the end.
 *
 * @param {string} name
 * @param {string} fallback
 * @returns {string}
 */
export function address(name, fallback) {
    const pattern = /^https?:\/\/([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?\/?$/;
    return matching(name, fallback, pattern, 'an address like http://127.0.0.1:3002').replace(/\/$/, '');
}

/**
 * Product ids, separated by commas.
 *
 * @param {string} name
 * @param {string} fallback
 * @returns {number[]}
 */
export function productIds(name, fallback) {
    const expected = 'product ids from 1 on, separated by commas, like 1,2,3';
    const ids = matching(name, fallback, /^[1-9][0-9]*(,[1-9][0-9]*)*$/, expected).split(',').map(Number);
    if (ids.some((id) => id > PRODUCT_ID_MAX)) {
        throw new Error(`${name} must be ids of at most ${PRODUCT_ID_MAX}, not '${__ENV[name]}'`);
    }
    return ids;
}

/**
 * @param {string} name
 * @param {number} fallback
 * @param {number} max
 * @returns {number} from 1 to max
 */
export function count(name, fallback, max) {
    const number = Number(matching(name, String(fallback), /^[0-9]{1,9}$/, `a whole number from 1 to ${max}`));
    if (number < 1 || number > max) {
        throw new Error(`${name} must be a whole number from 1 to ${max}, not ${number}`);
    }
    return number;
}

/**
 * A duration as k6 writes it.
 *
 * @param {string} name
 * @param {string} fallback
 * @returns {string}
 */
export function duration(name, fallback) {
    const pattern = /^(?=.*[1-9])([0-9]{1,4}h)?([0-9]{1,5}m)?([0-9]{1,6}s)?$/;
    return matching(name, fallback, pattern, 'a duration like 90s, 10m or 1h30m');
}
