// Node's module hooks: a script's `import 'k6/…'` gets k6's part played by the file of that name here, and
// the scripts' .js files are modules, as they are for k6.

const PARTS = {
    k6: 'k6.mjs',
    'k6/http': 'k6_http.mjs',
    'k6/metrics': 'k6_metrics.mjs',
    'k6/execution': 'k6_execution.mjs',
};

export async function resolve(specifier, context, next) {
    if (specifier in PARTS) {
        return { url: new URL(PARTS[specifier], import.meta.url).href, format: 'module', shortCircuit: true };
    }
    if (specifier === 'k6' || specifier.startsWith('k6/')) {
        throw new Error(`tools/k6_profile has no '${specifier}'; it has ${Object.keys(PARTS).join(', ')}`);
    }
    const found = await next(specifier, context);
    return found.url.endsWith('.js') ? { ...found, format: 'module' } : found;
}
