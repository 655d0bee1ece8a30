\set number random(1, ROWS)
\set new random(0, 1)
SELECT w.* FROM (SELECT CASE :new::int WHEN 1 THEN nextval('public.millions') ELSE :number::bigint END AS number OFFSET 0) AS n,
    twin.SIZE_create_if(n.number, jsonb_build_object('data', jsonb_build_object('name', 'Jane', 'number', n.number))) AS w;
