-- Vacuums and analyzes the tables that copy.sql has written to.
SELECT format('VACUUM ANALYZE %1$I.%2$I, %1$I.%3$I, %4$I.%2$I', :'source', kind, kind || '_history', :'source' || '_raw')
FROM (SELECT DISTINCT kind FROM public.synthea) AS k \gexec
