// The rules for k6/ and for tools/k6_profile/, which runs k6's scripts without k6.
import js from '@eslint/js';

const readonly = (...names) => Object.fromEntries(names.map((name) => [name, 'readonly']));

const rules = {
    ...js.configs.recommended.rules,
    'no-unused-vars': ['error', { caughtErrors: 'none' }],
    'array-callback-return': 'error',
    'consistent-return': 'error',
    curly: 'error',
    eqeqeq: 'error',
    'max-len': ['error', { code: 120 }],
    'max-lines': ['error', 700],
    'max-lines-per-function': ['error', 70],
    'no-implicit-globals': 'error',
    'no-self-compare': 'error',
    'no-shadow': 'error',
    'no-template-curly-in-string': 'error',
    'no-undef': 'error',
    'no-unmodified-loop-condition': 'error',
    'no-unreachable-loop': 'error',
    'no-use-before-define': ['error', { functions: false }],
    'no-var': 'error',
    'prefer-const': 'error',
    'prefer-template': 'off',
};

export default [
    { linterOptions: { reportUnusedDisableDirectives: 'error' } },
    {
        files: ['**/k6/**/*.js'],
        // ES2018: what older releases of k6, with Babel 6, can read as well.
        languageOptions: {
            ecmaVersion: 2018,
            sourceType: 'module',
            globals: readonly('__ENV', 'console'),
        },
        rules,
    },
    {
        files: ['**/tools/k6_profile/*.mjs'],
        languageOptions: {
            ecmaVersion: 2022,
            sourceType: 'module',
            globals: readonly('Atomics', 'Buffer', 'SharedArrayBuffer', 'URL', 'console', 'process'),
        },
        rules,
    },
];
