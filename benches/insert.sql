INSERT INTO bench.provider (data) VALUES (:data);
