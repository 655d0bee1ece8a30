-- How the functions in SQL refuse, as those in Rust do.

CREATE FUNCTION ingest.refuse(refusal text[]) RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF refusal IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = refusal[1], MESSAGE = refusal[3], HINT = refusal[4],
            DETAIL = jsonb_build_object('resourceType', 'OperationOutcome', 'issue', jsonb_build_array(
                jsonb_build_object('severity', 'error', 'code', refusal[2], 'diagnostics', refusal[3])));
    END IF;
END
$$;
COMMENT ON FUNCTION ingest.refuse(text[]) IS 'Raises an error whose DETAIL is an OperationOutcome: {SQLSTATE, code of the issue, message, hint}; NULL refuses nothing';
