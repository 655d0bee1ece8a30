-- The source of tests/citus/verbs.sql.
SELECT ingest.source_create('clinic');
SELECT ingest.profile_define('clinic', 'office', '{"type": "ROOT", "properties": {"name": {"type": "symbol"}}, "indexes": [["name"]]}');
SELECT ingest.profile_define('clinic', 'provider', '{"type": "ROOT", "properties": {"number": {"type": "integer"},
    "office": {"type": "symbol"}, "at": {"type": "reference", "target": ["office"], "enforce": true}}, "identities": [["number"]]}');
SELECT ingest.relationship_define('clinic', 'worksAt', '{"from": {"profileKey": "provider"}, "to": {"profileKey": "office"}}');
SELECT outcome FROM ingest.resource_create('clinic', 'office', '{"data": {"name": "North"}}', 'north');
