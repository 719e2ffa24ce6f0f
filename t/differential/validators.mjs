// Both validators behind one function: verdicts of (schema, instances).
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

const directory = mkdtempSync(join(tmpdir(), 'prodorder-differential-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));

const build = process.env.PRODORDER_BUILD ?? 'build';

export function newAjv() {
    // What is odd or unknown in a schema is not our matter here; the flag u is.
    const ajv = new Ajv2020({ strict: false, unicodeRegExp: true, logger: false, validateFormats: true });
    addFormats(ajv);
    return ajv;
}

const ajv = newAjv();

// {verdicts: [true, false, or 'exception'...], keywords: of the errors} or {refused: why}.
export function askAjv(schema, texts) {
    let validate;
    ajv.removeSchema(); // all of the last call's
    try {
        validate = ajv.compile(schema);
    } catch (error) {
        return { refused: String(error.message) };
    }
    const keywords = [];
    const verdicts = texts.map((text) => {
        try {
            const valid = validate(JSON.parse(text));
            keywords.push(...(valid ? [] : validate.errors.map((e) => e.keyword)));
            return valid;
        } catch {
            return 'exception'; // in the code that ajv made of the schema
        }
    });
    return { verdicts, keywords };
}

// The same of build/schema-check, and the errors of each instance.
export function askOurs(schema, texts) {
    const file = join(directory, 'schema.json');
    writeFileSync(file, JSON.stringify(schema));
    const run = spawnSync(`${build}/schema-check`, ['--format', file],
        { input: texts.map((text) => `${text}\n`).join(''), encoding: 'utf8', maxBuffer: 1 << 28 });
    if (run.error && run.error.code !== 'EPIPE') { // it does not read instances of a schema that it refuses
        throw run.error;
    }
    const lines = run.stdout.split('\n').filter((line) => line !== '');
    if (lines.length !== texts.length) {
        return { refused: run.stderr.trim() || `exit ${run.status}, ${lines.length} lines for ${texts.length}` };
    }
    const answers = lines.map((line) => JSON.parse(line));
    return { verdicts: answers.map((a) => a.valid), errors: answers.map((a) => a.errors) };
}

// {status: 0 valid, 1 refused; answer: what openapi-check prints} of one request.
export function askOpenapiCheck(document, method, target, body) {
    try {
        const out = execFileSync(`${build}/openapi-check`, [document, method, target],
            { input: body, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });
        return { valid: true, answer: out };
    } catch (error) {
        if (error.status !== 1) {
            throw error;
        }
        return { valid: false, answer: error.stdout };
    }
}
