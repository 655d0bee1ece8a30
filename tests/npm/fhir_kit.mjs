// fhir-kit-client against a REST door: what an application does with it, and what it gets.
import assert from 'node:assert/strict';
import { pathToFileURL } from 'node:url';

// It is a module, and modules do not look at NODE_PATH.
const installed = `${process.env.NODE_PATH}/fhir-kit-client/dist/index.js`;
const { Client } = await import(pathToFileURL(installed));

const client = new Client({ baseUrl: process.argv[2] });
const statement = await client.capabilityStatement();
assert.equal(statement.resourceType, 'CapabilityStatement');

const body = { resourceType: 'Patient', name: [{ given: ['Kit'], family: 'Kat' }] };
const made = await client.create({ resourceType: 'Patient', body });
assert.equal(made.meta.versionId, '1');
const { id } = made;
assert.deepEqual(await client.read({ resourceType: 'Patient', id }), made);
const changed = await client.update({ resourceType: 'Patient', id, body: { ...made, active: true } });
assert.equal(changed.meta.versionId, '2');
assert.equal((await client.vread({ resourceType: 'Patient', id, version: '1' })).active, undefined);
const patched = await client.patch({
    resourceType: 'Patient', id, jsonPatch: [{ op: 'replace', path: '/active', value: false }],
});
assert.equal(patched.active, false);

// A conditional create in FHIR's spelling.
const once = { identifier: [{ system: 'urn:kit', value: '1' }], resourceType: 'Patient' };
const headers = { 'If-None-Exist': 'identifier=urn:kit|1' };
const first = await client.create({ resourceType: 'Patient', body: once, options: { headers } });
const again = await client.create({ resourceType: 'Patient', body: once, options: { headers } });
assert.equal(again.id, first.id);

// A conditional update.
const upserted = await client.update({
    resourceType: 'Patient', searchParams: { identifier: 'urn:kit|1' }, body: { ...once, active: true },
});
assert.equal(upserted.id, first.id);

// Search, page by page.
for (let number = 0; number < 3; number++) {
    await client.create({ resourceType: 'Patient', body: { ...body, name: [{ family: `Page${number}` }] } });
}
let page = await client.search({ resourceType: 'Patient', searchParams: { family: 'page', _count: 2 } });
let found = page.entry.length;
assert.equal(page.total, 3);
page = await client.nextPage({ bundle: page });
found += page.entry.length;
assert.equal(found, 3);
const posted = await client.search({
    resourceType: 'Patient', searchParams: { family: 'page' }, options: { postSearch: true },
});
assert.equal(posted.total, 3);

const history = await client.history({ resourceType: 'Patient', id });
assert.equal(history.entry.length, 3);
const entry = { resource: body, request: { method: 'POST', url: 'Patient' } };
for (const type of ['transaction', 'batch']) {
    const applied = await client[type]({ body: { resourceType: 'Bundle', type, entry: [entry] } });
    assert.equal(applied.type, `${type}-response`);
    assert.equal(applied.entry[0].response.status, '201 Created');
}

await assert.rejects(
    client.create({ resourceType: 'Patient', body: { resourceType: 'Patient', name: 'Bob' } }),
    (error) => error.response.status === 422 && error.response.data.issue[0].expression[0] === 'Patient.name',
);
await client.delete({ resourceType: 'Patient', id });
await assert.rejects(client.read({ resourceType: 'Patient', id }), (error) => error.response.status === 410);
console.log('fhir-kit-client is served');
