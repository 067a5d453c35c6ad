-- name: group_places
-- The places of the wanted users. /*wanted*/ becomes one (workspace, environment, mpid) for each.
WITH wanted (workspace, environment, mpid) AS (VALUES /*wanted*/)
SELECT p.workspace, p.environment, p.mpid, p.kind, p.value, p.document, p.version
FROM wanted AS w
CROSS JOIN group_place AS p ON p.mpid = w.mpid AND p.workspace = w.workspace AND p.environment = w.environment;

-- name: group_contributions
SELECT mpid, document FROM group_place
WHERE kind = ? AND environment = ? AND value = ? ORDER BY mpid LIMIT ?;

-- name: group_members
SELECT mpid FROM group_place
WHERE kind = ? AND environment = ? AND value = ? AND mpid >= ? ORDER BY mpid LIMIT ?;

-- name: count_groups
SELECT count(*), coalesce(sum(members), 0) FROM (
    SELECT count(*) AS members FROM group_place WHERE kind = ? AND environment = ? GROUP BY value
);

-- name: larger_groups
-- A row that counts has all that there are, as JSON.
SELECT json_group_array(json_array(value, members, mpid)) FROM (
    SELECT value, count(*) AS members, min(mpid) AS mpid FROM group_place
    WHERE kind = ?1 AND environment = ?2 AND value > ?4
    GROUP BY value HAVING count(*) > ?3 ORDER BY value LIMIT ?5
);

-- name: add_group_place
INSERT INTO group_place (workspace, environment, mpid, kind, version, value, document) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING;

-- name: change_group_place
UPDATE group_place SET version = ?, value = ?, document = ?
WHERE workspace = ? AND environment = ? AND mpid = ? AND kind = ? AND version = ?;

-- name: remove_group_place
DELETE FROM group_place WHERE workspace = ? AND environment = ? AND mpid = ? AND kind = ? AND version = ?;
