\set number random(1, ROWS)
SELECT * FROM ingest.resource_search('millions', 'SIZE', jsonb_build_object('name', 'John ' || :number));
