-- Puts whole new pools into the tables; see store/bulk.py. Rows come in the order of their tables' keys.

-- name: bulk_pools
SELECT scope, environment FROM pool;

-- name: bulk_last_pool
SELECT coalesce(max(pool), 0) FROM pool;

-- name: bulk_section_version
UPDATE section_clock SET number = number + 1 RETURNING number;

-- name: bulk_profiles
INSERT INTO profile (
    mpid, pool, known, created_ms, active_ms, source_mpid, version, first_seq, identities, carried
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT), CAST(? AS TEXT));

-- name: bulk_values
INSERT INTO identity (identity, pool, type, value, version, holders, holder, exclusive)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: bulk_holdings
INSERT INTO holding (identity, mpid, known, active_ms)
SELECT identity, ?4, ?5, ?6 FROM identity WHERE pool = ?1 AND type = ?2 AND value = ?3;

-- name: bulk_log
INSERT INTO log (seq, decision_id, pool, at_ms, policy_version, created_mpid, touched, observation, decision)
VALUES (?, ?, ?, ?, ?, ?, CAST(? AS TEXT), ?, ?);

-- name: bulk_touched
INSERT INTO touched (mpid, seq) VALUES (?, ?);

-- name: bulk_sections
INSERT INTO section (mpid, workspace, environment, version, last_seen_ms, document) VALUES (?, ?, ?, ?, ?, ?);

-- name: bulk_name
INSERT INTO pool (pool, scope, environment) VALUES (?, ?, ?);
