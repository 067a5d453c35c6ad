-- What only the engine Spark asks.

-- name: spark_observed
SELECT row_id, at_ms, environment, endpoint, input, attributes, set_aside, /*types*/, /*columns*/
FROM read WHERE reason IS NULL

-- name: spark_refused
SELECT row_id, reason, message FROM read WHERE reason IS NOT NULL AND reason <> '/*blank*/'

-- name: spark_set_aside
SELECT row_id, 'set_aside' AS reason, '/*message*/' AS message FROM only_set_aside

-- name: spark_counts
-- How many rows there are, how many of them were refused or are nothing, and how many have an identity of each type.
SELECT count(*), count(reason), count(CASE WHEN reason = '/*blank*/' THEN 1 END), /*types*/ FROM read

-- name: spark_environments
SELECT DISTINCT environment FROM read WHERE reason IS NULL

-- name: everything
SELECT * FROM /*table*/

-- name: spark_times
SELECT coalesce(min(at_ms), 0), coalesce(max(at_ms), 0) FROM observed

-- name: spark_ordered
-- The places of rows in slices of time, since no one machine need have room for all.
SELECT row_id, CAST(row_number() OVER (PARTITION BY part ORDER BY at_ms, row_id) AS BIGINT) AS place, part FROM (
    SELECT row_id, at_ms, CAST(floor((at_ms - /*first*/) / /*width*/) AS BIGINT) AS part FROM observed
) AS sliced

-- name: spark_parts
SELECT part, count(*) FROM /*table*/ GROUP BY part

-- name: spark_buckets
SELECT *, component % /*buckets*/ AS bucket FROM linked_left
