// What the Dockerfiles must be, beyond what a linter knows.
//
// Usage: node t/lint/dockerfiles.mjs ROOT         prints a line for each mistake; exit 1 when there is one
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { DockerfileParser } = require('dockerfile-ast');
const { validate } = require('dockerfile-utils');

const BASE = 'debian:bookworm-slim';
const IMAGES = {
    'product-service': { port: 3001, stop: 'SIGTERM' },
    'order-service': { port: 3002, stop: 'SIGTERM' },
    'api-gateway': { port: 4000, stop: 'SIGQUIT' },
};
const LABELS = ['title', 'version', 'licenses'].map((name) => `org.opencontainers.image.${name}`);
// What building needs, and what a small image has no use for.
const NOT_IN_AN_IMAGE = /^(curl|wget|jq|git|gcc|make|npm|nodejs|pkg-config|build-essential|nginx-dev|.*-dev)$/;

const [root] = process.argv.slice(2);
let mistakes = 0;

function text(file) {
    return readFileSync(`${root}/${file}`, 'utf8');
}

function mistake(file, message) {
    console.log(`${file}: ${message}`);
    mistakes++;
}

// The instructions of each stage, which begins with FROM.
function stagesOf(dockerfile) {
    const stages = [];
    for (const one of dockerfile.getInstructions()) {
        if (one.getKeyword() === 'FROM') stages.push([]);
        stages.at(-1)?.push(one);
    }
    return stages;
}

function all(stage, keyword) {
    return stage.filter((one) => one.getKeyword() === keyword);
}

function argumentsOf(stage, keyword) {
    return all(stage, keyword).at(-1)?.getRawArgumentsContent() ?? '';
}

function checkPackages(report, stage, isLast) {
    for (const run of all(stage, 'RUN').map((one) => one.getArgumentsContent())) {
        const packages = run.match(/apt-get install([^&;]*)/)?.[1].split(/[\s\\]+/).filter(Boolean);
        if (!packages) continue;
        if (!packages.includes('--no-install-recommends')) report('apt-get install without --no-install-recommends');
        if (!/rm -rf [^&]*\/var\/lib\/apt\/lists/.test(run)) report("a layer keeps apt's lists");
        for (const name of isLast ? packages : []) {
            if (NOT_IN_AN_IMAGE.test(name)) report(`the image has ${name}`);
        }
    }
}

function checkCopies(report, stage) {
    if (all(stage, 'ADD').length) report('ADD: COPY does no more than it says');
    for (const copy of all(stage, 'COPY')) {
        if (copy.getFlags().some((flag) => flag.getName() === 'from')) continue;
        const sources = copy.getArguments().slice(0, -1).map((one) => one.getValue());
        for (const source of sources.filter((one) => !existsSync(`${root}/${one}`))) {
            report(`COPY ${source}: there is no such file`);
        }
    }
}

// What the container is run with.
function checkImage(report, stage, { port, stop }) {
    const user = argumentsOf(stage, 'USER');
    if (!/^[1-9]\d*:[1-9]\d*$/.test(user)) report(`USER '${user}' is not two numbers other than 0`);
    for (const keyword of ['ENTRYPOINT', 'HEALTHCHECK']) {
        const json = argumentsOf(stage, keyword).replace(/^.*?CMD /, '');
        try {
            if (!existsIn(JSON.parse(json)[0])) report(`${keyword} ${json}: nothing is copied there`);
        } catch {
            report(`${keyword} '${json}' is not of the exec form`);
        }
    }
    if (argumentsOf(stage, 'STOPSIGNAL') !== stop) report(`STOPSIGNAL is not ${stop}`);
    if (!argumentsOf(stage, 'ENV').split(/\s+/).includes(`PORT=${port}`)) report(`ENV does not have PORT=${port}`);
    if (!argumentsOf(stage, 'EXPOSE').split(' ').includes(`${port}`)) report(`EXPOSE does not have ${port}`);
    if (!all(stage, 'RUN').some((one) => /chmod -R a\+rX \/opt\/prodorder/.test(one.getArgumentsContent()))) {
        report('no RUN chmod -R a+rX /opt/prodorder: an image of a clone with umask 077 does not run');
    }
    const labels = argumentsOf(stage, 'LABEL');
    for (const label of LABELS.filter((one) => !labels.includes(`${one}="`))) report(`LABEL ${label} is missing`);

    function existsIn(path) {
        const relative = path.replace('/opt/prodorder/', '');
        const copied = all(stage, 'COPY').flatMap((copy) => copy.getArguments().map((one) => one.getValue()));
        return [path, relative].some((one) => copied.includes(one));
    }
}

const release = text('Makefile').match(/^RELEASE := (\S+)$/m)[1];
const builds = {};
for (const [name, wanted] of Object.entries(IMAGES)) {
    const file = `docker/${name}/Dockerfile`;
    const report = (message) => mistake(file, message);
    const content = text(file);
    for (const { message, range } of validate(content)) report(`line ${range.start.line + 1}: ${message}`);
    const stages = stagesOf(DockerfileParser.parse(content));
    if (stages.length < 2) report('it has one stage: what builds is in the image');
    stages.forEach((stage, i) => {
        const base = stage[0].getImage();
        if (base !== BASE) report(`FROM ${base} is not ${BASE}`);
        for (const arg of all(stage, 'ARG').map((one) => one.getArgumentsContent())) {
            if (arg !== `VERSION=${release}`) report(`ARG ${arg}: the Makefile's RELEASE is ${release}`);
        }
        checkPackages(report, stage, i === stages.length - 1);
        checkCopies(report, stage);
    });
    checkImage(report, stages.at(-1), wanted);
    builds[name] = content.slice(content.indexOf('# ---- build'), content.indexOf('# ---- the image'));
}
if (builds['product-service'] !== builds['order-service']) {
    const message = 'its build stage is not that of product-service: both would be built twice';
    mistake('docker/order-service/Dockerfile', message);
}
process.exit(mistakes ? 1 : 0);
