\set number random(1, ROWS / 10)
SELECT * FROM ingest.resource_history('millions', 'SIZE', (10 * :number)::text);
