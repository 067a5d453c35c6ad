-- The layout of a knownas database, version 4: who is in which audience, what outputs have of whom, and what they are told.
-- Times are Unix milliseconds. Documents are the service's; no database looks into them.

-- Counts how often documents of a workspace were written; workspace 0 counts them all. A workspace without a row is not watched.
CREATE TABLE watch (
    workspace INTEGER PRIMARY KEY,
    version INTEGER NOT NULL
) STRICT;

-- What somebody wrote down: audiences, outputs, connections, groups. The version never comes again.
CREATE TABLE audience_document (
    kind TEXT NOT NULL,
    number INTEGER NOT NULL CHECK (number > 0),
    workspace INTEGER NOT NULL,
    version INTEGER NOT NULL,
    document BLOB NOT NULL,
    PRIMARY KEY (kind, number)
) STRICT, WITHOUT ROWID;

-- Who has to be judged. Workspace 0 is every one, profile 0 everybody.
CREATE TABLE mark (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace INTEGER NOT NULL,
    environment TEXT NOT NULL,
    mpid INTEGER NOT NULL,
    document BLOB NOT NULL
) STRICT;

CREATE INDEX mark_of ON mark (mpid, workspace);

-- How a profile stands in the audiences of a workspace; nothing is said of who is in none and will not be by time alone.
CREATE TABLE standing (
    standing INTEGER PRIMARY KEY,
    mpid INTEGER NOT NULL,
    workspace INTEGER NOT NULL,
    environment TEXT NOT NULL,
    version INTEGER NOT NULL,
    due_ms INTEGER,
    document BLOB NOT NULL,
    CONSTRAINT standing_once UNIQUE (mpid, workspace, environment)
) STRICT;

CREATE INDEX standing_due ON standing (due_ms) WHERE due_ms IS NOT NULL;

CREATE TABLE member (
    audience INTEGER NOT NULL,
    workspace INTEGER NOT NULL,
    environment TEXT NOT NULL,
    mpid INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (audience, workspace, environment, mpid)
) STRICT, WITHOUT ROWID;

CREATE INDEX member_of ON member (mpid, workspace);

-- Every change of a membership, with its reason.
CREATE TABLE membership_change (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    mpid INTEGER NOT NULL,
    workspace INTEGER NOT NULL,
    environment TEXT NOT NULL,
    audience INTEGER NOT NULL,
    is_member INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    document BLOB NOT NULL
) STRICT;

CREATE INDEX membership_change_of ON membership_change (mpid, workspace, environment, seq);

-- The identities that outputs have of profiles, or will have when what waits is told.
CREATE TABLE held (
    connection INTEGER NOT NULL,
    mpid INTEGER NOT NULL,
    slot TEXT NOT NULL,
    target TEXT NOT NULL,
    encoding TEXT NOT NULL,
    value TEXT NOT NULL,
    device TEXT,
    platform TEXT,
    PRIMARY KEY (mpid, connection, slot, target, encoding, value)
) STRICT, WITHOUT ROWID;

CREATE INDEX held_value ON held (value, connection);

CREATE INDEX held_by ON held (connection, mpid);

-- Members of whom an output gets nothing, and why.
CREATE TABLE passed (
    passed INTEGER PRIMARY KEY,
    connection INTEGER NOT NULL,
    mpid INTEGER NOT NULL,
    reason TEXT NOT NULL,
    about TEXT NOT NULL
) STRICT;

CREATE INDEX passed_by ON passed (connection, mpid);

CREATE INDEX passed_why ON passed (connection, reason, about);

CREATE INDEX passed_of ON passed (mpid);

-- What outputs are told, in the order of seq. One that waits again has a new seq, and keeps the number it was written under.
CREATE TABLE output_delivery (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery_id TEXT NOT NULL,
    output INTEGER NOT NULL,
    connection INTEGER NOT NULL,
    workspace INTEGER NOT NULL,
    environment TEXT NOT NULL,
    mpid INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    settled_ms INTEGER,
    why TEXT,
    written INTEGER,
    document BLOB NOT NULL,
    CONSTRAINT output_delivery_once UNIQUE (delivery_id)
) STRICT;

CREATE INDEX output_delivery_waiting ON output_delivery (output, seq) WHERE state = 'waiting';

CREATE INDEX output_delivery_output ON output_delivery (output, seq);

CREATE INDEX output_delivery_state ON output_delivery (output, state, seq);

CREATE INDEX output_delivery_of ON output_delivery (mpid, workspace, seq);

CREATE INDEX output_delivery_settled ON output_delivery (settled_ms) WHERE settled_ms IS NOT NULL;
