SELECT * FROM public.twin_create('bench', 'provider', :body);
