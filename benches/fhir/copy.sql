-- COPY of Synthea's resources, :times times as many, into their guarded tables and into tables of
-- one jsonb column: the same files, one way after the other. Prints the nanoseconds of both. Needs the
-- variables source, way (generated, own), times, turn and directory (where files may be written).
CREATE TEMP TABLE chosen AS
    SELECT DISTINCT kind, format('%I.%I', :'source', kind) AS guarded, format('%I.%I', :'source' || '_raw', kind) AS raw,
        quote_literal(:'directory' || '/' || kind || '.ndjson') || $$ WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')$$ AS file
    FROM public.synthea;
SELECT format('COPY (SELECT CASE %L WHEN ''own'' THEN jsonb_set(data, ''{id}'', to_jsonb(concat_ws(''-'', %L, n, number)))
                     ELSE data - ''id'' END
                     FROM public.synthea, generate_series(1, %s) AS n WHERE kind = %L ORDER BY n, number) TO %s',
    :'way', :'turn', :times, kind, file) FROM chosen \gexec
CREATE SCHEMA IF NOT EXISTS :"source_raw";
SELECT format('CREATE TABLE IF NOT EXISTS %s (data jsonb)', raw) FROM chosen \gexec
-- Both sides warm: the first resource of each kind compiles its type.
SELECT format('INSERT INTO %s (data) SELECT data - ''id'' FROM public.synthea WHERE kind = %L LIMIT 1', guarded, kind)
FROM chosen \gexec
SELECT public.spent() AS begun \gset
SELECT format('COPY %s FROM %s', raw, file) FROM chosen \gexec
SELECT public.spent() AS raw \gset
SELECT format('COPY %s (data) FROM %s', guarded, file) FROM chosen \gexec
SELECT public.spent() AS guarded \gset
SELECT :guarded::bigint - :raw::bigint, :raw::bigint - :begun::bigint;
