\set number random(1, ROWS)
SELECT id, version, updated_at, data FROM twin.SIZE WHERE data ->> 'name' = 'John ' || :number ORDER BY id LIMIT 100;
