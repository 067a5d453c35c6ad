-- Puts whole new pools into the tables; see store/bulk.py. The rows themselves come by COPY.

-- name: bulk_pools
SELECT p.scope, p.environment FROM knownas.pool AS p;

-- name: bulk_pool_number
SELECT nextval(pg_get_serial_sequence('knownas.pool', 'pool'));

-- name: bulk_versions
SELECT nextval('knownas.version_seq'), nextval('knownas.section_version_seq');

-- name: bulk_hold_log
-- Changes nothing, and lets nobody take a number of the log until the transaction ends.
ALTER SEQUENCE knownas.log_seq CACHE 1;

-- name: bulk_log_given
SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM knownas.log_seq;

-- name: bulk_use_log
ALTER SEQUENCE knownas.log_seq RESTART WITH /*last*/;

-- name: bulk_last_log
-- The number up to which all were taken.
SELECT nextval('knownas.log_seq');

-- name: bulk_name
INSERT INTO knownas.pool (pool, scope, environment)
SELECT * FROM unnest($1::integer[], $2::text[], $3::text[]);

-- name: bulk_mark_everybody
SELECT knownas.audience_mark_profiles_1(ARRAY[0::bigint]);
