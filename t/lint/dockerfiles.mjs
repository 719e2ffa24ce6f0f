// What the Dockerfiles must be, beyond what a linter knows.
//
// Usage: node t/lint/dockerfiles.mjs ROOT         prints a line for each mistake; exit 1 when there is one
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { DockerfileParser } = require('dockerfile-ast');
const { validate } = require('dockerfile-utils');

const BASE = 'debian:bookworm-slim';
// The images of each Dockerfile: by the target, or its last stage.
const DOCKERFILES = {
    services: {
        'product-service': { target: 'product-service', port: 3001, stop: 'SIGTERM' },
        'order-service': { target: 'order-service', port: 3002, stop: 'SIGTERM' },
    },
    'api-gateway': { 'api-gateway': { port: 4000, stop: 'SIGQUIT' } },
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

function allArgumentsOf(stage, keyword) {
    return all(stage, keyword).map((one) => one.getRawArgumentsContent()).join(' ');
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
    if (!allArgumentsOf(stage, 'ENV').split(/\s+/).includes(`PORT=${port}`)) report(`ENV does not have PORT=${port}`);
    if (!argumentsOf(stage, 'EXPOSE').split(' ').includes(`${port}`)) report(`EXPOSE does not have ${port}`);
    if (!all(stage, 'RUN').some((one) => /chmod -R a\+rX \/opt\/prodorder/.test(one.getArgumentsContent()))) {
        report('no RUN chmod -R a+rX /opt/prodorder: an image of a clone with umask 077 does not run');
    }
    const labels = allArgumentsOf(stage, 'LABEL');
    for (const label of LABELS.filter((one) => !labels.includes(`${one}="`))) report(`LABEL ${label} is missing`);

    function existsIn(path) {
        const relative = path.replace('/opt/prodorder/', '');
        const copied = all(stage, 'COPY').flatMap((copy) => copy.getArguments().map((one) => one.getValue()));
        return [path, relative].some((one) => copied.includes(one));
    }
}

// The stages that an image is made of: its own, after those that this one begins with.
function imageStages(stages, target) {
    const stage = target ? stages.find((one) => one[0].getBuildStage() === target) : stages.at(-1);
    const base = stage && stages.find((one) => one[0].getBuildStage() === stage[0].getImage());
    return stage ? [...(base ?? []), ...stage] : null;
}

function checkStages(report, stages, shipped) {
    const names = stages.map((stage) => stage[0].getBuildStage());
    for (const stage of stages) {
        const base = stage[0].getImage();
        if (base !== BASE && !names.includes(base)) report(`FROM ${base} is not ${BASE}`);
        for (const arg of all(stage, 'ARG').map((one) => one.getArgumentsContent())) {
            if (arg !== `VERSION=${release}`) report(`ARG ${arg}: the Makefile's RELEASE is ${release}`);
        }
        checkPackages(report, stage, shipped.some((image) => image.includes(stage[0])));
        checkCopies(report, stage);
    }
}

const release = text('Makefile').match(/^RELEASE := (\S+)$/m)[1];
for (const [folder, images] of Object.entries(DOCKERFILES)) {
    const file = `docker/${folder}/Dockerfile`;
    const report = (message) => mistake(file, message);
    const content = text(file);
    for (const { message, range } of validate(content)) report(`line ${range.start.line + 1}: ${message}`);
    const stages = stagesOf(DockerfileParser.parse(content));
    if (stages.length < 2) report('it has one stage: what builds is in the image');
    const shipped = [];
    for (const [name, wanted] of Object.entries(images)) {
        const image = imageStages(stages, wanted.target);
        if (!image) {
            report(`there is no stage ${wanted.target}`);
            continue;
        }
        shipped.push(image);
        checkImage((message) => mistake(file, `${name}: ${message}`), image, wanted);
    }
    checkStages(report, stages, shipped);
}
process.exit(mistakes ? 1 : 0);
