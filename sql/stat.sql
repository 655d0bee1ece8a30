-- What is counted of each profile, by all sessions of the server.

CREATE FUNCTION ingest.stat_profiles()
    RETURNS TABLE (source text, profile text, inserted bigint, updated bigint, deleted bigint, checks bigint, unindexed_searches bigint, refusals jsonb)
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'stat_profiles_wrapper';
COMMENT ON FUNCTION ingest.stat_profiles() IS 'Internal. What ingest.stat_profile shows, of what was counted at all. Errors: PT404 the server has no counters';

CREATE VIEW ingest.stat_profile WITH (security_invoker = true) AS
    SELECT p.source, p.profile,
           COALESCE(s.inserted, 0) AS inserted, COALESCE(s.updated, 0) AS updated, COALESCE(s.deleted, 0) AS deleted,
           COALESCE(s.checks, 0) AS checks, COALESCE(s.unindexed_searches, 0) AS unindexed_searches,
           COALESCE(s.refusals, '{}') AS refusals
    FROM ingest.profile AS p
    LEFT JOIN ingest.stat_profiles() AS s
        ON s.source OPERATOR(pg_catalog.=) p.source AND s.profile OPERATOR(pg_catalog.=) p.profile
    WHERE p.kind OPERATOR(pg_catalog.=) 'ROOT' OR p.kind OPERATOR(pg_catalog.=) 'RELATIONSHIP';
COMMENT ON VIEW ingest.stat_profile IS 'What was done to each profile and relationship of this database since the server began, or since stat_profile_reset, what was rolled back too. PostgreSQL 17 or later; before, PT404';
COMMENT ON COLUMN ingest.stat_profile.source IS 'The source';
COMMENT ON COLUMN ingest.stat_profile.profile IS 'The profile or relationship';
COMMENT ON COLUMN ingest.stat_profile.inserted IS 'Rows that came; those of a bulk write that is refused and tried anew count each time';
COMMENT ON COLUMN ingest.stat_profile.updated IS 'Rows that got another version';
COMMENT ON COLUMN ingest.stat_profile.deleted IS 'Rows that went; not those of a purge';
COMMENT ON COLUMN ingest.stat_profile.checks IS 'Documents that were checked, for a write or by a validation; a bulk write that is refused checks anew to find the bad ones';
COMMENT ON COLUMN ingest.stat_profile.unindexed_searches IS 'Searches that no declared index served';
COMMENT ON COLUMN ingest.stat_profile.refusals IS 'Calls and statements that were refused, and bodies of loads and entries of batches, by SQLSTATE: {"PT422": 3}';
GRANT SELECT ON ingest.stat_profile TO PUBLIC;

CREATE FUNCTION ingest.stat_profile_reset(source text DEFAULT NULL, profile text DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'stat_profile_reset_wrapper';
COMMENT ON FUNCTION ingest.stat_profile_reset(text, text) IS 'Lets the counters of a profile begin anew, of all of a source, or of all that the caller may define in. Errors: PT404 the server has no counters, 42501 not the caller''s';
