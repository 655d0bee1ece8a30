-- Histories that are kept short.
SELECT ingest.history_prune('soak', 'provider', keep => 20);
SELECT ingest.history_prune('soak', 'works_at', older => '10 seconds', keep => 2);
