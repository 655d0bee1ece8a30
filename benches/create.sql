SELECT * FROM ingest.resource_create('bench', 'provider', :body);
