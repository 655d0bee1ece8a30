-- Histories that are kept short.
SELECT ingest.history_prune('soak', 'office', keep => 5);
SELECT ingest.history_prune('soak', 'works_at', older => '10 seconds', keep => 2);
