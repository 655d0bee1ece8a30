// Resources that Medplum's validator judges in a second of processor time, from JSON text.
// Usage: node medplum.mjs MODULES PACKAGE FILE.ndjson ROUNDS     prints the best round
import { createRequire } from 'node:module';
import { readdirSync, readFileSync } from 'node:fs';

const [modules, definitions, file, rounds] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { indexStructureDefinitionBundle, validateResource } = require('@medplum/core');

const names = readdirSync(definitions).filter((name) => /^StructureDefinition-.*\.json$/.test(name));
const all = names.map((name) => JSON.parse(readFileSync(`${definitions}/${name}`, 'utf8')));
indexStructureDefinitionBundle(all.filter((it) => it.snapshot && it.derivation !== 'constraint'));

const resources = readFileSync(file, 'utf8').trimEnd().split('\n');
let best = Infinity;
for (let round = 0; round < Number(rounds); round++) {
  const begun = process.cpuUsage();
  for (const resource of resources) {
    try {
      validateResource(JSON.parse(resource));
    } catch (error) {
      if (!error.outcome) throw error;
    }
  }
  const { user, system } = process.cpuUsage(begun);
  best = Math.min(best, (user + system) / 1e6);
}
console.log(resources.length / best);
