\set number random(1, 100000)
SELECT * FROM ingest.resource_search('bench', 'searched', jsonb_build_object('name', 'John ' || :number));
