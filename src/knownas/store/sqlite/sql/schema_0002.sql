-- The layout of a knownas database, version 2: what workspaces know of users. Times are Unix milliseconds.

-- Counts the commits that wrote sections. Its number becomes their version, so that a version never comes again,
-- not even when a section was removed and made anew.
CREATE TABLE section_clock (
    clock INTEGER PRIMARY KEY CHECK (clock = 1),
    number INTEGER NOT NULL
) STRICT;
INSERT INTO section_clock (clock, number) VALUES (1, 0);

-- What a workspace knows of a profile in one environment. The profile comes first in the key, so that all sections
-- of a profile stand together. Documents are often larger than a quarter of a page: WITHOUT ROWID would spill them.
CREATE TABLE section (
    section INTEGER PRIMARY KEY,
    mpid INTEGER NOT NULL,
    workspace INTEGER NOT NULL,
    environment TEXT NOT NULL,
    version INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL,
    document BLOB NOT NULL,
    CONSTRAINT section_once UNIQUE (mpid, workspace, environment)
) STRICT;

CREATE INDEX section_last_seen ON section (last_seen_ms);

-- The events of a batch, in the order in which batches were kept. A seq is never used again.
CREATE TABLE user_events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    mpid INTEGER NOT NULL,
    workspace INTEGER NOT NULL,
    environment TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    document BLOB NOT NULL
) STRICT;

-- Finds the events of a profile in their order; the times are there to leave batches out without reading them.
CREATE INDEX user_events_of ON user_events (mpid, workspace, environment, seq, first_ms, last_ms);

CREATE INDEX user_events_last ON user_events (last_ms);

-- What became of a batch. One that was kept takes its request_id for good; another has it until the next one comes.
CREATE TABLE batch_receipt (
    seq INTEGER PRIMARY KEY,
    receipt_id TEXT NOT NULL,
    input_key TEXT NOT NULL,
    request_id TEXT,
    at_ms INTEGER NOT NULL,
    document BLOB NOT NULL,
    kept INTEGER NOT NULL,
    CONSTRAINT batch_receipt_once UNIQUE (receipt_id)
) STRICT;

-- An input's request id stands for one batch. The id comes first, so that it can be looked up without its input.
CREATE UNIQUE INDEX batch_receipt_named ON batch_receipt (request_id, input_key) WHERE request_id IS NOT NULL;

CREATE INDEX batch_receipt_at ON batch_receipt (at_ms);

-- The ids of events that were kept.
CREATE TABLE message (
    mpid INTEGER NOT NULL,
    input_key TEXT NOT NULL,
    message_id TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    CONSTRAINT message_once PRIMARY KEY (mpid, input_key, message_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX message_at ON message (at_ms);

-- Requests to give one profile's events to another.
CREATE TABLE alias (
    alias INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL,
    workspace INTEGER NOT NULL,
    environment TEXT NOT NULL,
    source_mpid INTEGER NOT NULL,
    destination_mpid INTEGER NOT NULL,
    start_ms INTEGER NOT NULL,
    end_ms INTEGER NOT NULL,
    stamp TEXT,
    requested_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    settled_ms INTEGER,
    CONSTRAINT alias_once UNIQUE (request_id)
) STRICT;

CREATE INDEX alias_source ON alias (source_mpid, workspace, environment);

CREATE INDEX alias_destination ON alias (destination_mpid, workspace, environment);

CREATE INDEX alias_due ON alias (due_ms) WHERE state = 'queued';
