// What fhirpath.js says of invariants. Each line of the input is a resource and where in it which
// expressions are asked: {"resource", "asked": [[place, place of %resource, place of %rootResource,
// base, expression], …]}. Each line of the output is what they are: "1" for true, "0" for all else,
// "e" for an error.
const fhirpath = require('fhirpath');
const model = require('fhirpath/fhir-context/r4');
const compiled = new Map();

function compile(base, expression) {
    const key = base + ' ' + expression;
    if (!compiled.has(key)) {
        compiled.set(key, fhirpath.compile(base ? { base, expression } : expression, model));
    }
    return compiled.get(key);
}

// Patient.contact[0].name
function at(resource, place) {
    for (const step of place.split('.').slice(1)) {
        const [, name, index] = /^(.*?)(?:\[(\d+)\])?$/.exec(step);
        resource = index === undefined ? resource[name] : resource[name][index];
    }
    return resource;
}

function ask(resource, [place, nearest, outer, base, expression]) {
    const environment = { resource: at(resource, nearest), rootResource: at(resource, outer) };
    try {
        const value = compile(base, expression)(at(resource, place), environment);
        return value.length === 1 && value[0] === true ? '1' : '0';
    } catch {
        return 'e';
    }
}

console.log = () => {}; // trace() writes there
require('readline').createInterface({ input: process.stdin }).on('line', line => {
    const { resource, asked } = JSON.parse(line);
    process.stdout.write(asked.map(it => ask(resource, it)).join('') + '\n');
});
