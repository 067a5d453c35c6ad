-- The layout of a knownas database, version 1. Later versions are files of their own, applied in order.
-- Times are Unix milliseconds. Values are compared byte by byte (BINARY is SQLite's default collation).

-- A scope and one of its environments: the space in which identities are unique.
CREATE TABLE pool (
    pool INTEGER PRIMARY KEY,
    scope TEXT NOT NULL,
    environment TEXT NOT NULL,
    CONSTRAINT pool_once UNIQUE (scope, environment)
) STRICT;

-- One profile with its identity record. The record is kept whole, as JSON of {type: [values]}, so that loading
-- it is one row; identity and holding are how it is found. version is the seq of the log's last entry about it,
-- first_seq that of the entry that made it (0 if none did); the table touched has those in between.
CREATE TABLE profile (
    mpid INTEGER PRIMARY KEY CHECK (mpid <> 0),
    pool INTEGER NOT NULL,
    known INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    active_ms INTEGER NOT NULL,
    source_mpid INTEGER,
    version INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    identities TEXT NOT NULL,
    carried TEXT NOT NULL
) STRICT;

-- One value of one type in one pool, once: the constraint that decides between simultaneous first sightings.
-- identity is the number by which holding refers to it, given by the commit that saw it first. version changes
-- whenever the set of holders does; holders counts them, and holder is the only one, if there is one. exclusive says
-- that whoever took the value last has it of a unique type, of which a value has one holder.
CREATE TABLE identity (
    pool INTEGER NOT NULL,
    type INTEGER NOT NULL,
    value TEXT NOT NULL,
    identity INTEGER NOT NULL,
    version INTEGER NOT NULL,
    holders INTEGER NOT NULL,
    holder INTEGER,
    exclusive INTEGER NOT NULL,
    CONSTRAINT identity_once PRIMARY KEY (pool, type, value),
    CONSTRAINT identity_exclusive CHECK (exclusive = 0 OR holders <= 1)
) STRICT, WITHOUT ROWID;

-- Who can be looked up by a value that several hold; a lone holder stands in the table identity. Anonymous holders
-- stand first, the most recently active before the others, so that the few a lookup considers are the first rows of
-- a crowd. active_ms is 0 for known profiles, whose order nothing depends on.
CREATE TABLE holding (
    identity INTEGER NOT NULL,
    known INTEGER NOT NULL,
    active_ms INTEGER NOT NULL,
    mpid INTEGER NOT NULL,
    PRIMARY KEY (identity, known, active_ms DESC, mpid)
) STRICT, WITHOUT ROWID;

-- The log: every observation that changed something, with its decision, in the order of commits.
CREATE TABLE log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    decision_id BLOB NOT NULL,
    pool INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    policy_version INTEGER NOT NULL,
    created_mpid INTEGER,
    touched TEXT NOT NULL,
    observation BLOB NOT NULL,
    decision BLOB NOT NULL,
    CONSTRAINT log_once UNIQUE (decision_id)
) STRICT;

-- Which entries of the log changed a profile after the one that made it.
CREATE TABLE touched (
    mpid INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (mpid, seq)
) STRICT, WITHOUT ROWID;

-- Every version of every scope's policy.
CREATE TABLE policy (
    scope TEXT NOT NULL,
    version INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    document BLOB NOT NULL,
    PRIMARY KEY (scope, version)
) STRICT, WITHOUT ROWID;

-- Small documents that the server keeps beside its data.
CREATE TABLE kept (
    name TEXT PRIMARY KEY,
    document BLOB NOT NULL
) STRICT, WITHOUT ROWID;
