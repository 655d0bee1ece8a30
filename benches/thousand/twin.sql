INSERT INTO public.twin (data) SELECT data FROM public.thousand_rows;
