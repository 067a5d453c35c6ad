-- Reads a database as a whole, to fold its log again and to compare its tables; see store/whole.py. Rows are found one by
-- one, by their whole keys (OFFSET 0), never by a join of tables.

-- name: whole_pools
SELECT scope, environment FROM knownas.pool ORDER BY pool;

-- name: whole_lines
SELECT
    seq, at_ms, policy_version, created_mpid, touched, observation, decision_id,
    CASE WHEN touched = '\x5b5d' THEN decision END
FROM knownas.log WHERE pool = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4;

-- name: whole_states
SELECT p.mpid, p.known, p.created_ms, p.source_mpid, p.identities, p.carried
FROM knownas.profile AS p WHERE p.mpid = ANY ($2::bigint[]) AND p.pool = $1;

-- name: whole_with_user_data
SELECT DISTINCT s.mpid FROM knownas.section AS s WHERE s.mpid = ANY ($1::bigint[]);

-- name: whole_profiles_until
SELECT count(*) FROM knownas.profile WHERE pool = $1 AND first_seq <= $2;

-- name: whole_profile_page
SELECT mpid FROM knownas.profile WHERE mpid > $1 ORDER BY mpid LIMIT $2;

-- name: whole_check_profiles
-- $1 and $2 are type names and their codes, $3 the pool, $4 and $5 the first and the last MPID. Returned are the values by
-- which profiles are not found although they hold them.
SELECT h.mpid, h.type, h.value
FROM (
    SELECT
        p.mpid, p.known, CASE WHEN p.known THEN 0 ELSE p.active_ms END AS active_ms,
        ($2::smallint[])[array_position($1::text[], t.key)] AS type, v.value
    FROM knownas.profile AS p
    CROSS JOIN LATERAL jsonb_each(convert_from(p.identities, 'UTF8')::jsonb) AS t
    CROSS JOIN LATERAL jsonb_array_elements_text(t.value) AS v (value)
    WHERE p.mpid BETWEEN $4 AND $5 AND p.pool = $3
) AS h
LEFT JOIN LATERAL (
    SELECT f.holder, f.holders FROM knownas.identity AS f
    WHERE f.value = h.value AND f.type = h.type AND f.pool = $3 OFFSET 0
) AS i ON true
WHERE i.holders IS NULL OR NOT coalesce(i.holder = h.mpid, EXISTS (
    SELECT 1 FROM knownas.holding AS o
    WHERE o.value = h.value AND o.type = h.type AND o.pool = $3 AND o.known = h.known AND o.active_ms = h.active_ms
        AND o.mpid = h.mpid
));

-- name: whole_value_page
-- Of all pools: the key begins with the value.
SELECT value, type, pool FROM knownas.identity WHERE (value, type, pool) > ($1, $2, $3) ORDER BY value, type, pool LIMIT $4;

-- name: whole_check_values
-- $1 and $2 are type names and their codes, $3 the pool, then the key after which to begin, and the last one. Returned are
-- holders that do not hold the value, and values with another number of holders than they have.
WITH chosen AS MATERIALIZED (
    SELECT i.value, i.type, i.holder, i.holders,
        (SELECT count(*) FROM knownas.holding AS h WHERE h.value = i.value AND h.type = i.type AND h.pool = i.pool) AS crowd
    FROM knownas.identity AS i
    WHERE (i.value, i.type, i.pool) > ($4, $5, $6) AND (i.value, i.type, i.pool) <= ($7, $8, $9) AND i.pool = $3
), found AS MATERIALIZED (
    SELECT s.type, s.value, s.holder AS mpid FROM chosen AS s WHERE s.holder IS NOT NULL
    UNION ALL
    SELECT s.type, s.value, h.mpid
    FROM chosen AS s
    CROSS JOIN LATERAL (
        SELECT o.mpid FROM knownas.holding AS o WHERE o.value = s.value AND o.type = s.type AND o.pool = $3 OFFSET 0
    ) AS h
    WHERE s.crowd > 0
)
SELECT f.mpid, f.type, f.value
FROM found AS f
LEFT JOIN LATERAL (
    SELECT r.mpid, r.identities FROM knownas.profile AS r WHERE r.mpid = f.mpid AND r.pool = $3 OFFSET 0
) AS p ON true
WHERE p.mpid IS NULL OR NOT coalesce(
    convert_from(p.identities, 'UTF8')::jsonb -> ($1::text[])[array_position($2::smallint[], f.type)] ? f.value, false
)
UNION ALL
SELECT NULL, s.type, s.value
FROM chosen AS s
WHERE s.holders <> CASE WHEN s.holder IS NULL THEN s.crowd ELSE 1 END OR (s.holder IS NULL AND s.holders = 1)
    OR (s.holder IS NOT NULL AND s.crowd > 0);

-- name: whole_log_page
SELECT seq FROM knownas.log WHERE seq > $1 ORDER BY seq LIMIT $2;

-- name: whole_check_log
-- The pool, the seq after which to begin, and the last one. Returned are profiles that don't find a line about them.
SELECT w.mpid, w.seq
FROM (
    SELECT l.seq, v.value::bigint AS mpid
    FROM knownas.log AS l
    CROSS JOIN LATERAL jsonb_array_elements_text(convert_from(l.touched, 'UTF8')::jsonb) AS v (value)
    WHERE l.pool = $1 AND l.seq > $2 AND l.seq <= $3
) AS w
WHERE NOT EXISTS (SELECT 1 FROM knownas.touched AS t WHERE t.mpid = w.mpid AND t.seq = w.seq)
    AND NOT EXISTS (SELECT 1 FROM knownas.profile AS p WHERE p.mpid = w.mpid AND p.first_seq = w.seq);
