\set number random(1, 100000)
SELECT id, version, updated_at, data FROM bench.searched WHERE data ->> 'name' = 'John ' || :number ORDER BY id LIMIT 100;
