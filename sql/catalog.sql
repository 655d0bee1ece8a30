CREATE TABLE ingest.hello (x int);
