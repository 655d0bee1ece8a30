-- Every verb of a source, with what it refuses: scripts/citus-check runs this on each node of Citus and on
-- a plain database, and compares. N is another digit each time.
SELECT outcome, version FROM ingest.resource_create('clinic', 'office', '{"data": {"name": "A"}}', 'a:N');
SELECT outcome, version FROM ingest.resource_create('clinic', 'office', '{"data": {"name": "A"}}', 'a:N');
SELECT outcome, version FROM ingest.resource_upsert('clinic', 'office', 'a:N', '{"data": {"name": "B"}}');
SELECT outcome, version FROM ingest.resource_upsert('clinic', 'office', 'a:N', '{"data": {"name": "B"}}');
SELECT outcome, version FROM ingest.resource_upsert('clinic', 'office', 'a:N', '{"data": {"name": "C"}}', 1);
SELECT outcome, version FROM ingest.resource_patch('clinic', 'office', 'a:N', '{"data": {"name": "P"}}');
SELECT outcome, version FROM ingest.resource_create_if('clinic', 'office', '{"name": "Z:N"}', '{"data": {"name": "Z:N"}}');
SELECT outcome, version FROM ingest.resource_create_if('clinic', 'office', '{"name": "Z:N"}', '{"data": {"name": "Z:N"}}');
SELECT outcome, version FROM ingest.resource_upsert_if('clinic', 'office', '{"name": "Z:N"}', '{"data": {"name": "Z:N"}}');
SELECT outcome, version FROM ingest.resource_patch_if('clinic', 'office', '{"name": "Z:N"}', '{"data": {"name": "Y:N"}}');
SELECT outcome, version FROM ingest.resource_delete_if('clinic', 'office', '{"name": "Y:N"}');
SELECT outcome FROM ingest.resource_create_if('clinic', 'provider', '{"number": 1:N}', '{"data": {"number": 1:N}}');
SELECT outcome FROM ingest.resource_create_if('clinic', 'provider', '{"number": 1:N}', '{"data": {"number": 1:N}}');
SELECT outcome FROM ingest.resource_create('clinic', 'provider', '{"data": {"number": 1:N}}');
SELECT outcome FROM ingest.resource_create('clinic', 'provider', '{"data": {"number": 2:N, "at": {"reference": "office/north"}}}', 'p:N');
SELECT outcome FROM ingest.resource_create('clinic', 'provider', '{"data": {"number": 3:N, "at": {"reference": "office/nowhere"}}}', 'q:N');
SELECT outcome FROM ingest.relationship_link('clinic', 'worksAt', '{"from": {"id": "p:N", "type": "provider"}, "to": {"id": "a:N", "type": "office"}}');
SELECT outcome FROM ingest.relationship_link('clinic', 'worksAt', '{"from": {"id": "p:N", "type": "provider"}, "to": {"id": "a:N", "type": "office"}}');
SELECT outcome FROM ingest.relationship_link('clinic', 'worksAt', '{"from": {"id": "p:N", "type": "provider"}, "to": {"id": "none", "type": "office"}}');
SELECT outcome FROM ingest.resource_delete('clinic', 'office', 'a:N');
SELECT outcome FROM ingest.relationship_unlink('clinic', 'worksAt', 'provider.p:N,office.a:N');
SELECT outcome, version FROM ingest.relationship_history('clinic', 'worksAt', 'provider.p:N,office.a:N');
SELECT outcome, version FROM ingest.resource_delete('clinic', 'office', 'a:N');
SELECT outcome, version FROM ingest.resource_delete('clinic', 'office', 'a:N');
SELECT ingest.resource_read('clinic', 'office', 'a:N');
SELECT outcome, version FROM ingest.resource_create('clinic', 'office', '{"data": {"name": "A2"}}', 'a:N');
SELECT outcome, version FROM ingest.resource_history('clinic', 'office', 'a:N');
SELECT ingest.resource_read('clinic', 'office', 'a:N', 1) -> 'data';
SELECT outcome, version FROM ingest.resource_restore('clinic', 'office', 'a:N', 1);
SELECT ordinal, outcome, version FROM ingest.resource_load('clinic', 'office', '[{"id": "l1:N", "data": {"name": "L"}}, {"id": "l2:N", "data": {"name": "L"}}]');
SELECT ordinal, outcome, version FROM ingest.resource_load('clinic', 'office', '[{"id": "l1:N", "data": {"name": "L1"}}, {"id": "l3:N", "data": {"name": "L"}}]', mode => 'upsert');
SELECT ordinal, outcome, version FROM ingest.resource_load('clinic', 'office', '[{"data": {"name": "g:N"}}, {"data": {"name": "g:N"}}, {"data": {"name": 7}}]', on_error => 'report');
SELECT jsonb_path_query_array(ingest.bundle_apply('clinic', '{"operations": [{"operation": "create", "profile": "office", "id": "b1:N", "body": {"data": {"name": "b"}}},
    {"operation": "upsert", "profile": "office", "id": "l1:N", "body": {"data": {"name": "L2"}}}, {"operation": "delete", "profile": "office", "id": "l2:N"},
    {"operation": "create", "profile": "provider", "id": "bp:N", "body": {"data": {"number": 7:N}}},
    {"operation": "link", "relationship": "worksAt", "body": {"from": {"type": "provider", "id": "bp:N"}, "to": {"type": "office", "id": "b1:N"}}}]}'), '$.**.outcome');
SELECT count(*) FROM ingest.resource_search('clinic', 'office', '{"name": "g:N"}'::jsonb);
SELECT count(*) FROM ingest.resource_search('clinic', 'office', '{"name": "g:N"}'::jsonb, sort => '["-name"]');
INSERT INTO clinic.office (id, data) VALUES ('i:N', '{"name": 7}');
INSERT INTO clinic.office (id, data) VALUES ('i:N', '{"name": "i"}'), ('j:N', '{"name": "i"}');
UPDATE clinic.office SET data = '{"name": "k"}' WHERE id = 'i:N';
UPDATE clinic.office SET version = 9 WHERE id = 'i:N';
DELETE FROM clinic.office WHERE id = 'j:N';
UPDATE clinic.office_history SET version = 9;
DELETE FROM clinic.office_history;
INSERT INTO clinic.office (data) SELECT jsonb_build_object('name', 's:N') FROM generate_series(1, 5) AS i;
SELECT count(*) FROM clinic.office WHERE data ->> 'name' = 's:N';
COPY clinic.office (data) FROM STDIN;
{"name": "copy:N"}
{"name": "copy:N"}
\.
SELECT count(*) FROM clinic.office WHERE data ->> 'name' = 'copy:N';
SELECT count(*) FROM ingest.profile_check('clinic', 'office', '{"type": "ROOT", "properties": {"name": {"type": "integer"}}}') AS c WHERE c IS NULL;
SELECT count(*) FROM ingest.profile_revalidate('clinic', 'office');
SELECT outcome FROM ingest.resource_create('clinic', 'office', '{"data": {"name": "K"}}', 'k:N', request_key => 'key:N');
SELECT outcome FROM ingest.resource_create('clinic', 'office', '{"data": {"name": "K"}}', 'k:N', request_key => 'key:N');
BEGIN;
SAVEPOINT a;
SELECT outcome FROM ingest.resource_create('clinic', 'office', '{"data": {"name": "tx"}}', 'tx:N');
ROLLBACK TO a;
SELECT outcome FROM ingest.resource_create('clinic', 'office', '{"data": {"name": "tx"}}', 'tx:N');
SELECT outcome, version FROM ingest.resource_upsert('clinic', 'office', 'tx:N', '{"data": {"name": "tx2"}}');
COMMIT;
SELECT outcome, version FROM ingest.resource_history('clinic', 'office', 'tx:N');
BEGIN;
SET LOCAL ingest.context = '{"actor": "x:N"}';
SELECT outcome FROM ingest.resource_upsert('clinic', 'office', 'ctx:N', '{"data": {"name": "c"}}');
COMMIT;
SELECT context, updated_by FROM clinic.office WHERE id = 'ctx:N';
