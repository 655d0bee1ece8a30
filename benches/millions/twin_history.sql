\set number random(1, ROWS / 10)
SELECT version, updated_at, data FROM twin.SIZE WHERE id = (10 * :number)::text
UNION ALL SELECT version, updated_at, data FROM twin.SIZE_history WHERE id = (10 * :number)::text ORDER BY version DESC;
