INSERT INTO public.twin (data) VALUES (:data);
