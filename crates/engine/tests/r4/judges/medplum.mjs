// Medplum's validator, with R4's own definitions.
// Usage: node medplum.mjs MODULES PACKAGE < documents > verdicts     one JSON value a line
import { createRequire } from 'node:module';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const [modules, definitions] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { indexStructureDefinitionBundle, validateResource } = require('@medplum/core');

const names = readdirSync(definitions).filter((name) => /^StructureDefinition-.*\.json$/.test(name));
const all = names.map((name) => JSON.parse(readFileSync(`${definitions}/${name}`, 'utf8')));
indexStructureDefinitionBundle(all.filter((it) => it.snapshot && it.derivation !== 'constraint'));

const judge = (resource) => {
  try {
    validateResource(resource);
    return null;
  } catch (error) {
    const issue = error.outcome?.issue?.[0];
    return issue ? `${issue.details?.text} ${issue.expression ?? ''}` : String(error);
  }
};

for await (const line of createInterface({ input: process.stdin })) {
  const { key, resource } = JSON.parse(line);
  const why = judge(resource);
  process.stdout.write(`${JSON.stringify({ key, refuses: why !== null, why: why ?? '' })}\n`);
}
