\set number random(1, 100000)
SELECT * FROM public.search_by_hand('bench', 'searched', jsonb_build_object('name', 'John ' || :number));
