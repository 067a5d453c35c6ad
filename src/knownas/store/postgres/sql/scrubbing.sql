-- Writes tables anew, so that nothing is left of rows that were changed or removed; see scrubbing.py.

-- name: scrub_file
-- Which file a table lies in; one that was written anew lies in another.
SELECT pg_relation_filenode($1::text::regclass);

-- name: scrub_mark
INSERT INTO knownas.scrub_mark (mark) SELECT generate_series(1, 256);

-- name: scrub_unmark
DELETE FROM knownas.scrub_mark;

-- name: scrub_marked
-- Whether the table has a page: a row in it that somebody may still see.
SELECT pg_relation_size('knownas.scrub_mark') > 0;

-- name: scrub_marked_apart
-- The same of a table whose parts lie on several servers; one that an older version has distributed has it to itself.
SELECT CASE
    WHEN EXISTS (SELECT 1 FROM pg_dist_partition AS d WHERE d.logicalrelid = 'knownas.scrub_mark'::regclass)
    THEN citus_relation_size('knownas.scrub_mark')
    ELSE pg_relation_size('knownas.scrub_mark')
END > 0;

-- name: scrub_log_goes
-- Whether files of the log that are over are removed, rather than used again with what they hold.
SELECT NOT current_setting('wal_recycle')::boolean;

-- name: scrub_switch
SELECT pg_switch_wal();

-- name: scrub_servers
-- Runs a command on every other server that keeps a part; which of them would not.
SELECT count(*) FROM run_command_on_workers($1) AS w WHERE NOT w.success;

-- name: scrub_values
-- Some versions of values that nobody holds; whoever has loaded one decides again.
DELETE FROM knownas.identity AS i
WHERE i.ctid = ANY (ARRAY(SELECT o.ctid FROM knownas.identity AS o WHERE o.holders = 0 LIMIT $1)) AND i.holders = 0
RETURNING 1;

-- name: scrub_values_apart
-- All of them, where they lie on several servers.
DELETE FROM knownas.identity WHERE holders = 0 RETURNING 1;

-- name: scrub_samples
-- Takes the samples of a table that is empty anew, of a row that nobody sees: an empty one keeps those that it has.
DO $$
DECLARE
    stand_in tid;
    names text;
    nothings text;
BEGIN
    IF EXISTS (SELECT 1 FROM /*table*/) THEN
        RETURN;
    END IF;
    SELECT
        string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum),
        string_agg(
            CASE t.typcategory WHEN 'N' THEN '-1' WHEN 'B' THEN 'false' ELSE quote_literal('') END, ', ' ORDER BY a.attnum
        )
    INTO names, nothings
    FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
    WHERE a.attrelid = '/*table*/'::regclass AND a.attnum > 0 AND NOT a.attisdropped;
    EXECUTE 'INSERT INTO /*table*/ (' || names || ') VALUES (' || nothings || ') RETURNING ctid' INTO stand_in;
    ANALYZE /*table*/;
    DELETE FROM /*table*/ AS e WHERE e.ctid = stand_in;
END $$;

-- name: scrub_distributed
-- Whether the parts of a table lie on several servers.
SELECT EXISTS (SELECT 1 FROM pg_dist_partition AS d WHERE d.logicalrelid = $1::text::regclass);

-- name: scrub_parts
-- Runs a command on every part of a table; which of them would not.
SELECT count(*) FROM run_command_on_shards($1::text::regclass, $2) AS w WHERE NOT w.success;
