\set most random(1, 3)
SELECT ingest.profile_define('soak', 'office', jsonb_build_object('type', 'ROOT', 'properties',
    jsonb_build_object(
        'name', '{"type": "symbol", "rules": [{"required": true}]}'::jsonb,
        'rooms', jsonb_build_object('type', 'integer', 'rules',
            jsonb_build_array(jsonb_build_object('max', 100 + :most::int))))));
