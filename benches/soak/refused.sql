SELECT public.attempt('INSERT INTO soak.office (data) VALUES (''{"name": ["a"], "rooms": "b", "other": 1}'')', 'PT422');
