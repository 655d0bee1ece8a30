\set id random(1, 10000)
\set number random(1, 1000000)
SELECT * FROM public.twin_upsert('bench', 'changed', :id::text, jsonb_build_object('data', jsonb_build_object('name', 'John Doe', 'practiceNumber', :number::integer)));
