-- Two thousand rows into one profile, one a statement, by a session that knows :known of them.
SELECT format('INSERT INTO many.p%s (data) VALUES (''{"a": "x"}'')', n) FROM generate_series(1, :known) AS n \gexec
DO $$ BEGIN FOR i IN 1..2000 LOOP INSERT INTO many.p1 (data) VALUES ('{"a": "x"}'); END LOOP; END $$;
\timing on
DO $$ BEGIN FOR i IN 1..2000 LOOP INSERT INTO many.p1 (data) VALUES ('{"a": "x"}'); END LOOP; END $$;
