-- name: group_places
-- The places of the wanted users: profiles, workspaces, environments.
SELECT w.place, p.kind, p.value, p.document, p.version
FROM unnest($1::text::bigint[], $2::text::bigint[], $3::text::text[]) WITH ORDINALITY AS w (mpid, workspace, environment, place)
CROSS JOIN LATERAL (
    SELECT f.kind, f.value, f.document, f.version FROM knownas.group_place AS f
    WHERE f.mpid = w.mpid AND f.workspace = w.workspace AND f.environment = w.environment OFFSET 0
) AS p;

-- name: group_contributions
-- The wanted groups: kinds, environments, values, at most so many members of each.
SELECT w.place, p.mpid, p.document
FROM unnest($1::text::bigint[], $2::text::text[], $3::text::text[]) WITH ORDINALITY AS w (kind, environment, value, place)
CROSS JOIN LATERAL (
    SELECT f.mpid, f.document FROM knownas.group_place AS f
    WHERE f.kind = w.kind AND f.environment = w.environment AND f.value = w.value ORDER BY f.mpid LIMIT $4::bigint
) AS p;

-- name: group_members
SELECT mpid FROM knownas.group_place
WHERE kind = $1 AND environment = $2 AND value = $3 AND mpid >= $4 ORDER BY mpid LIMIT $5;

-- name: count_groups
SELECT count(*), coalesce(sum(members), 0)::bigint FROM (
    SELECT count(*) AS members FROM knownas.group_place WHERE kind = $1 AND environment = $2 GROUP BY value
) AS counted;

-- name: larger_groups
SELECT value, count(*), min(mpid) FROM knownas.group_place
WHERE kind = $1 AND environment = $2 AND value > $4
GROUP BY value HAVING count(*) > $3 ORDER BY value LIMIT $5;
