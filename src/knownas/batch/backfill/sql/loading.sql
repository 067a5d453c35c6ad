-- What came out of the folding, in the order of the tables' keys, as it is put into a database. /*pool*/ is the pool's number.

-- name: load_profiles
SELECT mpid, /*pool*/, known <> 0, created_ms, active_ms, source_mpid, CAST(/*version*/ AS BIGINT), number + /*log*/,
    identities, carried
FROM read_parquet(/*files*/) ORDER BY mpid;

-- name: load_values
SELECT /*pool*/, type, value, CAST(/*version*/ AS BIGINT), holders, holder, exclusive <> 0
FROM read_parquet(/*files*/) ORDER BY pool, type, value;

-- name: load_holdings
SELECT /*pool*/, type, value, mpid, known <> 0, active_ms
FROM read_parquet(/*files*/) ORDER BY pool, type, value, known, active_ms DESC, mpid;

-- name: load_log
SELECT number + /*log*/, decision_id, /*pool*/, at_ms, /*policy*/, created_mpid, touched, observation, decision
FROM read_parquet(/*files*/) ORDER BY number;

-- name: load_touched
SELECT mpid, number + /*log*/ FROM read_parquet(/*files*/) ORDER BY mpid, number;

-- name: load_sections
SELECT mpid, workspace, environment, CAST(/*section_version*/ AS BIGINT), last_seen_ms, document
FROM read_parquet(/*files*/) ORDER BY mpid, workspace, environment;

-- name: count_rows
SELECT count(*) FROM read_parquet(/*files*/);

-- name: counted
SELECT outcome, CAST(sum(rows) AS BIGINT) FROM read_parquet(/*files*/) GROUP BY outcome;

-- name: refused_reasons
SELECT reason, count(*) FROM read_parquet(/*files*/) GROUP BY reason ORDER BY count(*) DESC, reason LIMIT /*limit*/;

-- name: write_refused
COPY (
    SELECT list_extract([/*names*/], (row_id >> /*bits*/) + 1) AS file, row_id & ((1::BIGINT << /*bits*/) - 1) AS row,
        reason, message
    FROM read_parquet(/*files*/) ORDER BY row_id
) TO '/*file*/' (FORMAT csv, HEADER);
