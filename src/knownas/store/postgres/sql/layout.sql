-- name: standing
-- Whether the server is a replica, and whether its commits wait for replicas of its own.
SELECT
    pg_is_in_recovery(),
    current_setting('synchronous_standby_names') <> '' AND current_setting('synchronous_commit') NOT IN ('off', 'local');

-- name: timeline
-- Which system this is a server of, and its timeline: whoever takes over from a primary begins a new one.
SELECT
    (SELECT c.system_identifier FROM pg_control_system() AS c),
    ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer;

-- name: confirm
-- A write of its own: when it is done, replicas that commits wait for have everything before it.
INSERT INTO knownas.commit_token (token, fenced) VALUES ($1, true);

-- name: layout_exists
SELECT to_regclass('knownas.layout') IS NOT NULL;

-- name: make_layout
-- works_from is the oldest layout whose knownas can still work with the one of the row.
CREATE SCHEMA IF NOT EXISTS knownas;
CREATE TABLE IF NOT EXISTS knownas.layout (
    version integer NOT NULL,
    works_from integer NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT layout_once PRIMARY KEY (version)
);

-- name: lock_layout
-- One server at a time brings a database up to date.
SELECT pg_advisory_xact_lock(1802398067);

-- name: layout
SELECT coalesce(max(version), 0), coalesce(max(works_from), 0) FROM knownas.layout;

-- name: note_layout
INSERT INTO knownas.layout (version, works_from) VALUES ($1, $2);

-- name: server
SELECT
    current_setting('server_version_num')::integer, current_setting('server_version'),
    current_setting('server_encoding'), current_setting('synchronous_commit'), current_setting('fsync'),
    current_database();
