\set number random(1, ROWS)
\set new random(0, 1)
SELECT w.* FROM (SELECT CASE :new::int WHEN 1 THEN nextval('public.millions') ELSE :number::bigint END AS number OFFSET 0) AS n,
    ingest.resource_create_if('millions', 'SIZE', jsonb_build_object('name', 'John ' || n.number),
        jsonb_build_object('data', jsonb_build_object('name', 'John ' || n.number, 'number', nextval('public.millions')))) AS w;
