SELECT nextval('public.token_calls') AS number \gset
SELECT id FROM ingest.resource_create_if(:source, 'Patient', 'identifier=mrn|' || :number::text,
    jsonb_build_object('resourceType', 'Patient',
        'identifier', jsonb_build_array(jsonb_build_object('system', 'mrn', 'value', :number::text))));
