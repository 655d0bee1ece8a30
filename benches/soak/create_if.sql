\set number random(1, 1000)
SELECT ingest.resource_create_if('soak', 'provider',
    jsonb_build_object('practiceNumber', :number::int),
    jsonb_build_object('data', jsonb_build_object('name', 'Doe', 'practiceNumber', :number::int)));
