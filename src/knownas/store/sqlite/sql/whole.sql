-- Reads a database as a whole, to fold its log again and to compare its tables; see store/whole.py.

-- name: whole_pools
SELECT scope, environment FROM pool ORDER BY pool;

-- name: whole_lines
SELECT
    seq, at_ms, policy_version, created_mpid, CAST(touched AS BLOB), observation, decision_id,
    CASE WHEN touched = '[]' THEN decision END
FROM log WHERE pool = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?;

-- name: whole_states
-- ?2 is a JSON array of MPIDs.
SELECT p.mpid, p.known, p.created_ms, p.source_mpid, CAST(p.identities AS BLOB), CAST(p.carried AS BLOB)
FROM json_each(?2) AS w
CROSS JOIN profile AS p ON p.mpid = w.value
WHERE p.pool = ?1;

-- name: whole_with_user_data
-- ?1 is a JSON array of MPIDs.
SELECT w.value FROM json_each(?1) AS w WHERE EXISTS (SELECT 1 FROM section AS s WHERE s.mpid = w.value);

-- name: whole_profiles_until
SELECT count(*) FROM profile WHERE pool = ? AND first_seq <= ?;

-- name: whole_profile_page
SELECT mpid FROM profile WHERE mpid > ? ORDER BY mpid LIMIT ?;

-- name: whole_check_profiles
-- ?1 is a JSON object of type names and codes; then the pool, the first and the last MPID. Returned are the values by
-- which profiles are not found although they hold them.
WITH held (mpid, known, active_ms, type, value) AS (
    SELECT p.mpid, p.known, CASE WHEN p.known THEN 0 ELSE p.active_ms END, json_extract(?1, '$.' || t.key), v.value
    FROM profile AS p
    CROSS JOIN json_each(p.identities) AS t
    CROSS JOIN json_each(t.value) AS v
    WHERE p.mpid BETWEEN ?3 AND ?4 AND p.pool = ?2
)
SELECT h.mpid, h.type, h.value
FROM held AS h
LEFT JOIN identity AS i ON i.pool = ?2 AND i.type = h.type AND i.value = h.value
WHERE i.identity IS NULL OR NOT coalesce(i.holder = h.mpid, EXISTS (
    SELECT 1 FROM holding AS o
    WHERE o.identity = i.identity AND o.known = h.known AND o.active_ms = h.active_ms AND o.mpid = h.mpid
));

-- name: whole_value_page
SELECT type, value FROM identity WHERE pool = ? AND (type, value) > (?, ?) ORDER BY type, value LIMIT ?;

-- name: whole_check_values
-- ?1 is a JSON object of codes and type names; then the pool, the key after which to begin, and the last one. Returned
-- are holders that do not hold the value, and values with another number of holders than they have.
WITH some AS (
    SELECT i.* FROM identity AS i
    WHERE i.pool = ?2 AND (i.type, i.value) > (?3, ?4) AND (i.type, i.value) <= (?5, ?6)
), found (type, value, mpid) AS (
    SELECT s.type, s.value, s.holder FROM some AS s WHERE s.holder IS NOT NULL
    UNION ALL
    SELECT s.type, s.value, h.mpid FROM some AS s CROSS JOIN holding AS h ON h.identity = s.identity
)
SELECT f.mpid, f.type, f.value
FROM found AS f
LEFT JOIN profile AS p ON p.mpid = f.mpid AND p.pool = ?2
WHERE p.mpid IS NULL OR NOT EXISTS (
    SELECT 1 FROM json_each(p.identities, '$.' || json_extract(?1, '$."' || f.type || '"')) AS v
    WHERE v.value = f.value
)
UNION ALL
SELECT NULL, s.type, s.value
FROM some AS s
WHERE (s.holder IS NOT NULL AND s.holders <> 1) OR (s.holder IS NULL AND (
    s.holders = 1 OR s.holders <> (SELECT count(*) FROM holding AS h WHERE h.identity = s.identity)
)) OR (s.holder IS NOT NULL AND EXISTS (SELECT 1 FROM holding AS h WHERE h.identity = s.identity));

-- name: whole_log_page
SELECT seq FROM log WHERE seq > ? ORDER BY seq LIMIT ?;

-- name: whole_check_log
-- The pool, the seq after which to begin, and the last one. Returned are profiles that don't find a line about them.
SELECT w.value, l.seq
FROM log AS l
CROSS JOIN json_each(l.touched) AS w
LEFT JOIN profile AS p ON p.mpid = w.value AND p.first_seq = l.seq
LEFT JOIN touched AS t ON t.mpid = w.value AND t.seq = l.seq
WHERE l.pool = ?1 AND l.seq > ?2 AND l.seq <= ?3 AND p.mpid IS NULL AND t.mpid IS NULL;
