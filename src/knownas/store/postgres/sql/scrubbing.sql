-- Writes tables anew, so that nothing is left of rows that were changed or removed; see scrubbing.py.

-- name: scrub_file
-- Which file a table lies in; one that was written anew lies in another.
SELECT pg_relation_filenode($1::text::regclass);

-- name: scrub_switch
SELECT pg_switch_wal();
