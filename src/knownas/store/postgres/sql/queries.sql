-- A table may have been empty when the database last looked at it, and then reading it from end to end looks cheap. OFFSET 0
-- leaves the planner no other way than to find each row by its key.

-- name: load
-- What a batch looks up, in one statement and so as of one moment: $1 to $3 are the wanted values with their types and
-- pools, $4 and $5 wanted MPIDs with their pools, all arrays, written as text. Each value that is there comes as a row with
-- its place in $1; then each profile among the considered holders, once; then the wanted profiles of their pools.
WITH found AS MATERIALIZED (
    SELECT w.place, i.*
    FROM unnest($1::text::text[], $2::text::smallint[], $3::text::integer[]) WITH ORDINALITY AS w (value, type, pool, place)
    CROSS JOIN LATERAL (
        SELECT i.value, i.type, i.pool, i.version, i.holders, i.holder FROM knownas.identity AS i
        WHERE i.value = w.value AND i.type = w.type AND i.pool = w.pool OFFSET 0
    ) AS i
), considered AS MATERIALIZED (
    SELECT f.holder AS mpid FROM found AS f WHERE f.holder IS NOT NULL
    UNION
    SELECT one.mpid
    FROM found AS f
    CROSS JOIN LATERAL (
        (
            SELECT h.mpid FROM knownas.holding AS h
            WHERE h.value = f.value AND h.type = f.type AND h.pool = f.pool AND NOT h.known
            ORDER BY h.active_ms DESC, h.mpid LIMIT 16
        )
        UNION ALL
        (
            SELECT h.mpid FROM knownas.holding AS h
            WHERE h.value = f.value AND h.type = f.type AND h.pool = f.pool AND h.known
            ORDER BY h.active_ms DESC, h.mpid LIMIT CASE WHEN f.holders > 16 THEN 4 ELSE 16 END
        )
    ) AS one
    WHERE f.holders > 1
)
SELECT
    f.place, f.version, f.holder, f.holders, NULL::integer, NULL::boolean, NULL::bigint, NULL::bigint, NULL::bigint,
    NULL::bytea, NULL::bytea
FROM found AS f
UNION ALL
SELECT
    NULL, p.version, p.mpid, NULL, p.pool, p.known, p.created_ms, p.active_ms, p.source_mpid, p.identities, p.carried
FROM considered AS c
CROSS JOIN LATERAL (SELECT * FROM knownas.profile AS f WHERE f.mpid = c.mpid OFFSET 0) AS p
UNION ALL
SELECT
    NULL, p.version, p.mpid, NULL, p.pool, p.known, p.created_ms, p.active_ms, p.source_mpid, p.identities, p.carried
FROM unnest($4::text::bigint[], $5::text::integer[]) AS w (mpid, pool)
CROSS JOIN LATERAL (SELECT * FROM knownas.profile AS f WHERE f.mpid = w.mpid AND f.pool = w.pool OFFSET 0) AS p;

-- name: sole_holders
-- The profiles that alone hold wanted values: $1 to $3 are these with their types and pools.
SELECT
    w.place, p.mpid, p.identities, p.carried, p.known, p.created_ms, p.active_ms, p.source_mpid, p.version
FROM unnest($1::text::text[], $2::text::smallint[], $3::text::integer[]) WITH ORDINALITY AS w (value, type, pool, place)
CROSS JOIN LATERAL (
    SELECT i.holder FROM knownas.identity AS i
    WHERE i.value = w.value AND i.type = w.type AND i.pool = w.pool OFFSET 0
) AS i
CROSS JOIN LATERAL (SELECT * FROM knownas.profile AS f WHERE f.mpid = i.holder OFFSET 0) AS p;

-- name: commit
SELECT knownas.commit_1(/*arguments*/);

-- name: correct
-- A commit, and then what only a correction changes of profiles: the last three arguments.
SELECT knownas.revise_1($58::text::bigint[], $59::text::bigint[], $60::text::bigint[])
FROM (SELECT knownas.commit_1(/*arguments*/) AS done OFFSET 0) AS committed;

-- name: rearrange
-- A correction, and then what it changes of user data: the arguments of `correct`, and 35 more.
SELECT knownas.rearrange_1(
    $61::text::bigint[], $62::text::bigint[], $63::text::text[], $64::text::bigint[], $65::text::bigint[], $66::bytea[],
    $67::text::bigint[], $68::text::bigint[], $69::text::text[], $70::text::bigint[], $71::bytea[],
    $72::text::bigint[], $73::text::bigint[], $74::text::text[], $75::text::bigint[],
    $76::text::bigint[], $77::text::bigint[], $78::text::text[], $79::text::bigint[], $80::text::bigint[], $81::bytea[],
    $82::text::bigint[], $83::text::bigint[], $84::text::text[], $85::text::bigint[], $86::text::bigint[], $87::text::bigint[], $88::bytea[],
    $89::text::bigint[], $90::text::text[], $91::text::text[], $92::text::bigint[],
    $93::text::text[], $94::text::text[], $95::text::text[]
)
FROM (
    SELECT knownas.revise_1($58::text::bigint[], $59::text::bigint[], $60::text::bigint[]) AS done
    FROM (SELECT knownas.commit_1(/*arguments*/) AS done OFFSET 0) AS committed OFFSET 0
) AS corrected;

-- name: settle
SELECT knownas.settle_1($1);

-- name: forget_tokens
-- An answer that was lost is settled within seconds; an hour is plenty.
DELETE FROM knownas.commit_token AS t
WHERE t.token = ANY (ARRAY(
    SELECT o.token FROM knownas.commit_token AS o
    WHERE o.at < now() - interval '1 hour' ORDER BY o.at LIMIT $1
))
RETURNING 1;

-- name: touch
SELECT knownas.touch_1(
    $1::text::bigint[], $2::text::bigint[], $3::text::bigint[], $4::text::bigint[], $5::text::text[],
    $6::text::smallint[], $7::text::integer[], $8::text::bigint[], $9::text::bigint[], $10::text::bigint[]
);

-- name: ping
SELECT count(*) FROM knownas.layout;

-- name: all_holders
-- The profiles that can be looked up by an identity, however many: pool, type, value, at most so many.
SELECT i.holder FROM knownas.identity AS i
WHERE i.value = $3 AND i.type = $2 AND i.pool = $1 AND i.holder IS NOT NULL
UNION ALL
(
    SELECT h.mpid FROM knownas.holding AS h WHERE h.value = $3 AND h.type = $2 AND h.pool = $1 LIMIT $4
);

-- name: profiles
SELECT pool, mpid, identities, carried, known, created_ms, active_ms, source_mpid, version
FROM knownas.profile WHERE mpid = ANY ($1::bigint[]);

-- name: seen_profile
-- One profile by its MPID, with each section that any workspace has of it.
SELECT
    p.pool, p.mpid, p.identities, p.carried, p.known, p.created_ms, p.active_ms, p.source_mpid, p.version,
    s.workspace, s.environment, s.document, s.version
FROM knownas.profile AS p
LEFT JOIN knownas.section AS s ON s.mpid = p.mpid
WHERE p.mpid = $1;

-- name: profiles_from
-- The profiles of a pool by ascending MPID, from one on.
SELECT mpid, identities, carried, known, created_ms, active_ms, source_mpid, version
FROM knownas.profile WHERE pool = $1 AND mpid >= $2 ORDER BY mpid LIMIT $3;

-- name: decision
SELECT seq, decision_id, pool, at_ms, policy_version, created_mpid, touched, observation, decision
FROM knownas.log WHERE decision_id = $1;

-- name: history
-- The lines that changed a profile: the one that made it, and those after.
SELECT l.seq, l.decision_id, l.pool, l.at_ms, l.policy_version, l.created_mpid, l.touched, l.observation, l.decision
FROM (
    SELECT p.first_seq AS seq FROM knownas.profile AS p WHERE p.mpid = $1 AND p.first_seq > $2
    UNION ALL
    (SELECT t.seq FROM knownas.touched AS t WHERE t.mpid = $1 AND t.seq > $2 ORDER BY t.seq LIMIT $3)
) AS about
CROSS JOIN LATERAL (SELECT * FROM knownas.log AS e WHERE e.seq = about.seq OFFSET 0) AS l
ORDER BY l.seq LIMIT $3;

-- name: history_back
-- The lines that changed a profile, from one back: those after the one that made it, and that one.
SELECT l.seq, l.decision_id, l.pool, l.at_ms, l.policy_version, l.created_mpid, l.touched, l.observation, l.decision
FROM (
    SELECT p.first_seq AS seq FROM knownas.profile AS p WHERE p.mpid = $1 AND p.first_seq < $2
    UNION ALL
    (SELECT t.seq FROM knownas.touched AS t WHERE t.mpid = $1 AND t.seq < $2 ORDER BY t.seq DESC LIMIT $3)
) AS about
CROSS JOIN LATERAL (SELECT * FROM knownas.log AS e WHERE e.seq = about.seq OFFSET 0) AS l
ORDER BY l.seq DESC LIMIT $3;

-- name: settled
-- The last number given out, and how far the log is settled.
SELECT given, settled FROM knownas.settled_1();

-- name: log_after
SELECT seq, decision_id, pool, at_ms, policy_version, created_mpid, touched, observation, decision
FROM knownas.log WHERE pool = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4;

-- The last of the next lines of a pool.
-- name: end_of_share
SELECT max(seq) FROM (
    SELECT seq FROM knownas.log WHERE pool = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4
) AS share;

-- name: sift
SELECT seq, decision_id, pool, at_ms, policy_version, created_mpid, touched, observation, decision
FROM knownas.log
WHERE pool = $1 AND seq > $2 AND seq <= $3 AND touched <> '[]'::bytea
  AND (created_mpid IS NULL OR substr(observation, 1, octet_length($4::bytea)) = $4
       OR substr(observation, 1, octet_length($5::bytea)) = $5
       OR position($6::bytea IN decision) > 0 OR position($7::bytea IN decision) > 0)
ORDER BY seq;

-- name: pools
SELECT pool, scope, environment FROM knownas.pool;

-- name: add_pool
-- Whoever was faster has given the number; it is read afterwards.
INSERT INTO knownas.pool (scope, environment) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: policies
SELECT scope, version, since_ms, document FROM knownas.policy WHERE scope = $1 ORDER BY version;

-- name: add_policy
INSERT INTO knownas.policy (scope, version, since_ms, document) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING 1;

-- name: kept
SELECT document FROM knownas.kept WHERE name = $1;

-- name: keep
INSERT INTO knownas.kept (name, document) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1;

-- name: replace_kept
UPDATE knownas.kept SET document = $3 WHERE name = $1 AND document = $2 RETURNING 1;
