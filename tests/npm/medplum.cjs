// Medplum's client against a REST door: what an application does with it, and what it gets.
const assert = require('node:assert/strict');
const { MedplumClient } = require('@medplum/core');

const [, , base] = process.argv;

async function main() {
    const url = new URL(base);
    const medplum = new MedplumClient({ baseUrl: url.origin, fhirUrlPath: url.pathname, cacheTime: 0, fetch });

    const made = await medplum.createResource({ resourceType: 'Patient', name: [{ given: ['Med'], family: 'Plum' }] });
    assert.equal(made.meta.versionId, '1');
    const { id } = made;
    assert.deepEqual(await medplum.readResource('Patient', id), made);
    const changed = await medplum.updateResource({ ...made, active: true });
    assert.equal(changed.meta.versionId, '2');
    const patched = await medplum.patchResource('Patient', id, [{ op: 'replace', path: '/active', value: false }]);
    assert.equal(patched.active, false);
    assert.equal((await medplum.readVersion('Patient', id, '1')).active, undefined);
    assert.equal((await medplum.readHistory('Patient', id)).entry.length, 3);

    const once = { resourceType: 'Patient', identifier: [{ system: 'urn:medplum', value: '1' }] };
    const query = 'identifier=urn:medplum|1';
    const first = await medplum.createResourceIfNoneExist(once, query);
    assert.equal((await medplum.createResourceIfNoneExist(once, query)).id, first.id);
    const upserted = await medplum.upsertResource({ ...once, active: true }, query);
    assert.deepEqual([upserted.id, upserted.active], [first.id, true]);

    const organization = await medplum.createResource({ resourceType: 'Organization', name: 'Ward' });
    const of = { reference: `Organization/${organization.id}` };
    for (let number = 0; number < 3; number++) {
        await medplum.createResource({ resourceType: 'Patient', name: [{ family: `Paged${number}` }], managingOrganization: of });
    }
    const found = await medplum.searchResources('Patient', 'family=paged&_sort=-family');
    assert.deepEqual(found.map((it) => it.name[0].family), ['Paged2', 'Paged1', 'Paged0']);
    let count = 0;
    for await (const page of medplum.searchResourcePages('Patient', 'family=paged&_count=2')) count += page.length;
    assert.equal(count, 3);
    const bundle = await medplum.search('Patient', { family: 'paged', _include: 'Patient:organization' });
    assert.equal(bundle.entry.filter((it) => it.search.mode === 'include').length, 1);
    assert.equal((await medplum.searchOne('Patient', 'family=paged1')).name[0].family, 'Paged1');

    const batch = await medplum.executeBatch({
        resourceType: 'Bundle',
        type: 'transaction',
        entry: [{ resource: { resourceType: 'Patient', active: true }, request: { method: 'POST', url: 'Patient' } }],
    });
    assert.equal(batch.entry[0].response.status, '201 Created');
    const outcome = await medplum.validateResource({ resourceType: 'Patient', name: 'Bob' }).catch((error) => error.outcome);
    assert.equal(outcome.issue[0].diagnostics, 'expected array');
    await assert.rejects(
        medplum.createResource({ resourceType: 'Patient', name: 'Bob' }),
        (error) => error.outcome.issue[0].expression[0] === 'Patient.name',
    );
    await medplum.deleteResource('Patient', id);
    await assert.rejects(medplum.readResource('Patient', id), (error) => error.outcome.issue[0].code === 'deleted');
    console.log('MedplumClient is served');
}

main().catch((error) => {
    console.error(error, JSON.stringify(error.outcome));
    process.exit(1);
});
