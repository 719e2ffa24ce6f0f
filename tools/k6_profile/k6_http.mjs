// What a script imports from 'k6/http'.
import { world } from './world.mjs';

function request(method, url, body = null, params = {}) {
    if (body !== null && typeof body !== 'string') {
        throw new Error(`${method} ${url}: only bodies that are strings are possible here`);
    }
    return world.send({ method: method.toUpperCase(), url: String(url), body, headers: { ...(params ?? {}).headers } });
}

export default {
    request,
    get: (url, params) => request('GET', url, null, params),
    post: (url, body, params) => request('POST', url, body, params),
    put: (url, body, params) => request('PUT', url, body, params),
    patch: (url, body, params) => request('PATCH', url, body, params),
    del: (url, body, params) => request('DELETE', url, body, params),
};
