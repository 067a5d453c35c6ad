-- The layout of a knownas database, version 3: requests of data subjects, and the evidence of what became of them. Times
-- are Unix milliseconds. Documents are the service's; no database looks into them.

-- A request of a data subject. open_key stands for what is asked of whom, while that is under way.
CREATE TABLE subject_request (
    request INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL,
    workspace INTEGER NOT NULL,
    group_id TEXT,
    received_ms INTEGER NOT NULL,
    due_ms INTEGER,
    ended_ms INTEGER,
    open_key TEXT,
    document BLOB NOT NULL,
    CONSTRAINT subject_request_once UNIQUE (request_id)
) STRICT;

CREATE UNIQUE INDEX subject_request_open ON subject_request (open_key) WHERE open_key IS NOT NULL;

CREATE INDEX subject_request_received ON subject_request (received_ms, request_id);

CREATE INDEX subject_request_group ON subject_request (workspace, group_id, received_ms, request_id)
WHERE group_id IS NOT NULL;

CREATE INDEX subject_request_due ON subject_request (due_ms, request_id) WHERE due_ms IS NOT NULL;

CREATE INDEX subject_request_ended ON subject_request (ended_ms) WHERE ended_ms IS NOT NULL;

-- The evidence, an entry after the other. request_id is empty for an entry of no request.
CREATE TABLE evidence (
    number INTEGER PRIMARY KEY CHECK (number > 0),
    request_id TEXT NOT NULL,
    document BLOB NOT NULL
) STRICT;

CREATE INDEX evidence_of ON evidence (request_id, number);

-- The profiles that were erased, each with the request that did it first.
CREATE TABLE tombstone (
    mpid INTEGER PRIMARY KEY CHECK (mpid <> 0),
    request_id TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;

-- Keyed digests of identities that are kept out.
CREATE TABLE suppression (
    digest BLOB PRIMARY KEY,
    request_id TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What is to be told to somebody outside.
CREATE TABLE delivery (
    delivery INTEGER PRIMARY KEY,
    delivery_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    due_ms INTEGER NOT NULL,
    document BLOB NOT NULL,
    CONSTRAINT delivery_once UNIQUE (delivery_id)
) STRICT;

CREATE INDEX delivery_due ON delivery (due_ms, delivery_id);

-- Who read or changed what is known of a profile. A seq is never used again.
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    mpid INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    document BLOB NOT NULL
) STRICT;

CREATE INDEX audit_of ON audit (mpid, seq);

CREATE INDEX audit_at ON audit (at_ms);
