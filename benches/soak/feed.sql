-- Readers of the feed, who work with one consumer and keep what they read.
SELECT public.follow();
