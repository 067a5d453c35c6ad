-- The layout of a knownas database, version 5: who is in which group of users, and what each contributes to its attributes.

-- The value is a digest of what the members share. What is contributed is the service's; no database looks into it.
CREATE TABLE group_place (
    mpid INTEGER NOT NULL,
    workspace INTEGER NOT NULL,
    environment TEXT NOT NULL,
    kind INTEGER NOT NULL,
    version INTEGER NOT NULL,
    value TEXT NOT NULL,
    document BLOB NOT NULL,
    PRIMARY KEY (mpid, workspace, environment, kind)
) STRICT, WITHOUT ROWID;

CREATE INDEX group_place_value ON group_place (kind, environment, value, mpid);
