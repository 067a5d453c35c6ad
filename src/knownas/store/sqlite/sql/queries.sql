-- name: holders
-- The holders of wanted identities with their records. /*wanted*/ becomes one (pool, type, value) for each.
-- A crowded identity comes as one row without a holder. CROSS JOIN keeps SQLite from scanning the big tables,
-- and the CASE from walking through a crowd only to leave each of it out.
WITH wanted (pool, type, value) AS (VALUES /*wanted*/)
SELECT
    i.pool, i.type, i.value, i.identity, i.version, i.holders, i.holder,
    p.mpid, p.known, p.created_ms, p.active_ms, p.source_mpid, p.version, p.identities, p.carried
FROM wanted AS w
CROSS JOIN identity AS i ON i.pool = w.pool AND i.type = w.type AND i.value = w.value
LEFT JOIN holding AS h ON h.identity = CASE WHEN i.holders BETWEEN 2 AND 16 THEN i.identity END
LEFT JOIN profile AS p ON p.mpid = coalesce(i.holder, h.mpid);

-- name: sole_holders
-- The profiles that alone hold wanted identities. /*wanted*/ becomes one (place, pool, type, value) for each.
WITH wanted (place, pool, type, value) AS (VALUES /*wanted*/)
SELECT
    w.place, p.mpid, p.known, p.created_ms, p.active_ms, p.source_mpid, p.version, p.identities, p.carried
FROM wanted AS w
CROSS JOIN identity AS i ON i.pool = w.pool AND i.type = w.type AND i.value = w.value
CROSS JOIN profile AS p ON p.mpid = i.holder;

-- name: crowd
-- The few holders of a crowded identity that a lookup considers: known = 0 or 1, at most so many.
SELECT
    p.pool, p.mpid, p.known, p.created_ms, p.active_ms, p.source_mpid, p.version, p.identities, p.carried
FROM holding AS h
JOIN profile AS p ON p.mpid = h.mpid
WHERE h.identity = ? AND h.known = ?
ORDER BY h.active_ms DESC, h.mpid
LIMIT ?;

-- name: all_holders
-- The profiles that can be looked up by an identity, however many: pool, type, value, at most so many.
SELECT coalesce(i.holder, h.mpid)
FROM identity AS i
LEFT JOIN holding AS h ON h.identity = CASE WHEN i.holders > 1 THEN i.identity END
WHERE i.pool = ? AND i.type = ? AND i.value = ? AND i.holders > 0
LIMIT ?;

-- name: profile
-- One profile by its MPID.
SELECT pool, mpid, known, created_ms, active_ms, source_mpid, version, identities, carried
FROM profile WHERE mpid = ?;

-- name: seen_profile
-- One profile by its MPID, with each section that any workspace has of it.
SELECT
    p.pool, p.mpid, p.known, p.created_ms, p.active_ms, p.source_mpid, p.version, p.identities, p.carried,
    s.workspace, s.environment, s.document, s.version
FROM profile AS p
LEFT JOIN section AS s ON s.mpid = p.mpid
WHERE p.mpid = ?;

-- name: profiles_from
-- The profiles of a pool by ascending MPID, from one on.
SELECT pool, mpid, known, created_ms, active_ms, source_mpid, version, identities, carried
FROM profile WHERE pool = ? AND mpid >= ? ORDER BY mpid LIMIT ?;

-- name: insert_profile
INSERT INTO profile (mpid, pool, known, created_ms, active_ms, source_mpid, version, first_seq, identities, carried)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: update_profile
-- Only as it was when it was loaded: no row changed means that somebody else was faster.
UPDATE profile
SET known = ?, created_ms = ?, active_ms = ?, source_mpid = ?, version = ?, identities = ?, carried = ?
WHERE mpid = ? AND version = ? AND active_ms = ?;

-- name: profile_state
SELECT version, active_ms FROM profile WHERE mpid = ?;

-- name: place
-- Where a profile stands among the holders of its identities.
SELECT known, CASE WHEN known THEN 0 ELSE active_ms END FROM profile WHERE mpid = ?;

-- name: find_identity
SELECT identity, version, holders, holder FROM identity WHERE pool = ? AND type = ? AND value = ?;

-- name: identity_version
SELECT version FROM identity WHERE pool = ? AND type = ? AND value = ?;

-- name: insert_identity
-- Fails on identity_once if somebody else has seen the value first.
INSERT INTO identity (pool, type, value, identity, version, holders, holder, exclusive)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: update_identity
-- Fails on identity_exclusive if a value that is taken as one of a unique type would get a second holder. What several
-- held before stays as it is: a policy that came later doesn't judge what was there.
UPDATE identity SET version = ?, holders = ?, holder = ?, exclusive = coalesce(?, exclusive)
WHERE pool = ? AND type = ? AND value = ?;

-- name: insert_holding
INSERT INTO holding (identity, known, active_ms, mpid) VALUES (?, ?, ?, ?);

-- name: any_holding
SELECT mpid FROM holding WHERE identity = ? LIMIT 1;

-- name: delete_holding
DELETE FROM holding WHERE identity = ? AND known = ? AND active_ms = ? AND mpid = ?;

-- name: delete_holdings
DELETE FROM holding WHERE identity = ?;

-- name: move_holding
UPDATE holding SET known = ?, active_ms = ? WHERE identity = ? AND known = ? AND active_ms = ? AND mpid = ?;

-- name: touch_profile
UPDATE profile SET active_ms = ? WHERE mpid = ?;

-- name: insert_log
INSERT INTO log (seq, decision_id, pool, at_ms, policy_version, created_mpid, touched, observation, decision)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_touched
INSERT INTO touched (mpid, seq) VALUES (?, ?);

-- name: last_seq
SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'log'), 0);

-- name: reserve_seq
-- Uses a seq up, for a commit that writes records without logging why.
INSERT INTO sqlite_sequence (name, seq) SELECT 'log', max(?, 1) WHERE NOT EXISTS (
    SELECT 1 FROM sqlite_sequence WHERE name = 'log'
);

-- name: use_seq
UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'log';

-- name: clock
-- Moves with every commit of identity records, each of which uses up a seq, and with every touch.
SELECT coalesce(sum(seq), 0) FROM sqlite_sequence WHERE name IN ('log', 'touch');

-- name: reserve_touch
INSERT INTO sqlite_sequence (name, seq) SELECT 'touch', 0 WHERE NOT EXISTS (
    SELECT 1 FROM sqlite_sequence WHERE name = 'touch'
);

-- name: tick_touch
UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'touch';

-- name: decision
SELECT l.seq, l.decision_id, p.scope, p.environment, l.at_ms, l.policy_version, l.created_mpid, l.touched,
       l.observation, l.decision
FROM log AS l JOIN pool AS p ON p.pool = l.pool
WHERE l.decision_id = ?;

-- name: first_entry
-- The entry that made a profile.
SELECT l.seq, l.decision_id, p.scope, p.environment, l.at_ms, l.policy_version, l.created_mpid, l.touched,
       l.observation, l.decision
FROM profile AS made
CROSS JOIN log AS l ON l.seq = made.first_seq
JOIN pool AS p ON p.pool = l.pool
WHERE made.mpid = ? AND made.first_seq > ?;

-- name: history
-- The entries that changed a profile after the one that made it.
SELECT l.seq, l.decision_id, p.scope, p.environment, l.at_ms, l.policy_version, l.created_mpid, l.touched,
       l.observation, l.decision
FROM touched AS t
CROSS JOIN log AS l ON l.seq = t.seq
JOIN pool AS p ON p.pool = l.pool
WHERE t.mpid = ? AND t.seq > ?
ORDER BY t.seq LIMIT ?;

-- name: first_entry_before
-- The entry that made a profile, if it is before another one.
SELECT l.seq, l.decision_id, p.scope, p.environment, l.at_ms, l.policy_version, l.created_mpid, l.touched,
       l.observation, l.decision
FROM profile AS made
CROSS JOIN log AS l ON l.seq = made.first_seq
JOIN pool AS p ON p.pool = l.pool
WHERE made.mpid = ? AND made.first_seq < ?;

-- name: history_back
-- The entries that changed a profile after the one that made it, from one back.
SELECT l.seq, l.decision_id, p.scope, p.environment, l.at_ms, l.policy_version, l.created_mpid, l.touched,
       l.observation, l.decision
FROM touched AS t
CROSS JOIN log AS l ON l.seq = t.seq
JOIN pool AS p ON p.pool = l.pool
WHERE t.mpid = ? AND t.seq < ?
ORDER BY t.seq DESC LIMIT ?;

-- name: log_after
SELECT l.seq, l.decision_id, p.scope, p.environment, l.at_ms, l.policy_version, l.created_mpid, l.touched,
       l.observation, l.decision
FROM log AS l JOIN pool AS p ON p.pool = l.pool
WHERE l.pool = ? AND l.seq > ?
ORDER BY l.seq LIMIT ?;

-- The last of the next lines of a pool.
-- name: end_of_share
SELECT max(seq) FROM (SELECT seq FROM log WHERE pool = ? AND seq > ? ORDER BY seq LIMIT ?);

-- name: sift
SELECT l.seq, l.decision_id, p.scope, p.environment, l.at_ms, l.policy_version, l.created_mpid, l.touched,
       l.observation, l.decision
FROM log AS l JOIN pool AS p ON p.pool = l.pool
WHERE l.pool = ? AND l.seq > ? AND l.seq <= ? AND l.touched <> '[]'
  AND (l.created_mpid IS NULL OR substr(l.observation, 1, ?) = ? OR substr(l.observation, 1, ?) = ?
       OR instr(l.decision, ?) > 0 OR instr(l.decision, ?) > 0)
ORDER BY l.seq;

-- name: pools
SELECT pool, scope, environment FROM pool;

-- name: add_pool
INSERT INTO pool (scope, environment) VALUES (?, ?) ON CONFLICT DO NOTHING;

-- name: policies
SELECT scope, version, since_ms, document FROM policy WHERE scope = ? ORDER BY version;

-- name: add_policy
INSERT INTO policy (scope, version, since_ms, document) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: kept
SELECT document FROM kept WHERE name = ?;

-- name: keep
INSERT INTO kept (name, document) VALUES (?, ?) ON CONFLICT DO NOTHING;

-- name: replace_kept
UPDATE kept SET document = ? WHERE name = ? AND document = ?;
