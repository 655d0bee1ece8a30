-- How the functions in SQL refuse: as those in Rust do, by one function of the same states. It is
-- called in an expression of PL/pgSQL without a subquery, so that the CONTEXT of the error is one
-- line, and not the text of a query.

CREATE FUNCTION ingest.refuse(state text, message text, hint text) RETURNS boolean
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'refuse_wrapper';
COMMENT ON FUNCTION ingest.refuse(text, text, text) IS 'Internal. Raises an error of this extension whose DETAIL is an OperationOutcome: SQLSTATE, message, hint. Errors: that one, or PT400 for an SQLSTATE that is none of the extension''s';

-- As verbs say it: input can be anything, and what cannot be a name is not repeated.
CREATE FUNCTION ingest.no_such(what text, name text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$ SELECT 'no such ' || what || CASE WHEN name ~ '^[A-Za-z0-9_-]{1,63}$' THEN ': ' || name ELSE '' END $$;
COMMENT ON FUNCTION ingest.no_such(text, text) IS 'Internal. The message about a name that nothing has';

CREATE FUNCTION ingest.schema_make(schema text, about text) RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    refused boolean;
BEGIN
    refused := CASE WHEN schema = '' THEN ingest.refuse('PT400', 'a schema has a name', 'Give it one.') END;
    EXECUTE format('CREATE SCHEMA %I', schema);
    EXECUTE format('COMMENT ON SCHEMA %I IS %L', schema, about);
EXCEPTION WHEN unique_violation OR duplicate_schema THEN
    refused := ingest.refuse('PT409', 'somebody else has made the schema meanwhile',
        'Call again to use it if it is yours, or choose another name.');
END
$$;
COMMENT ON FUNCTION ingest.schema_make(text, text) IS 'Internal. Makes a schema that was not there a moment ago, and says what it is. Errors: PT400 no name, PT409 it is there now';
