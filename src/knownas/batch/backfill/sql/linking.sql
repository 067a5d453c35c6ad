-- Links the observations of a history, in words that DuckDB and Spark both understand. /*hash*/ is the engine's hash of
-- 64 bits over any number of arguments: two that collide make one component of two, which is only slower.
-- A node is an observation as far as its identities go: who comes back with the same ones is the same node.

-- name: mentioned
-- What a node shares with those that it can influence: the identities of one type by which a profile is looked for.
SELECT DISTINCT node, /*hash*/(pool, /*code*/, /*type*/) AS name
FROM observed WHERE /*type*/ IS NOT NULL

-- name: mentioned_by_nothing
-- Where no type that is looked for has any value left.
SELECT node, node AS name FROM observed WHERE 1 = 0

-- name: mentioned_of_large
-- The same of the nodes that are linked anew, without what was set aside.
SELECT DISTINCT o.node, /*hash*/(o.pool, /*code*/, o./*type*/) AS name
FROM observed AS o
JOIN large_nodes AS l ON l.node = o.node
ANTI JOIN aside AS a ON a.name = /*hash*/(o.pool, /*code*/, o./*type*/)
WHERE o./*type*/ IS NOT NULL

-- name: hubs
-- One node of each value that several have; by their hashes, so that no order of the history makes long chains.
SELECT name, min(node) AS hub FROM mentioned GROUP BY name HAVING min(node) <> max(node)

-- name: edges
SELECT DISTINCT m.node AS node_l, h.hub AS node_r
FROM mentioned AS m JOIN hubs AS h ON h.name = m.name WHERE m.node <> h.hub

-- name: nodes
SELECT node_l AS node FROM edges UNION SELECT node_r AS node FROM edges

-- name: large
SELECT cluster_id AS component, count(*) AS meetings FROM linked GROUP BY cluster_id HAVING count(*) > /*limit*/

-- name: large_nodes
SELECT k.node, k.cluster_id AS component FROM linked AS k JOIN large AS l ON l.component = k.cluster_id

-- name: settled
SELECT k.node, k.cluster_id AS component FROM linked AS k ANTI JOIN large AS l ON l.component = k.cluster_id

-- name: any_large
SELECT component FROM large LIMIT 1

-- name: all_settled
SELECT node, cluster_id AS component FROM linked

-- name: of_settled
SELECT node, component FROM /*settled*/

-- name: clusters
SELECT node, cluster_id FROM /*found*/

-- name: met
-- The values of one type in components that are too large, by the number of their nodes.
SELECT l.component, o.pool, /*code*/ AS type, o./*type*/ AS value, count(DISTINCT o.node) AS meetings
FROM observed AS o JOIN large_nodes AS l ON l.node = o.node
WHERE o./*type*/ IS NOT NULL
GROUP BY l.component, o.pool, o./*type*/

-- name: most_met
SELECT component, pool, type, value, meetings FROM (
    SELECT *, row_number() OVER (PARTITION BY component ORDER BY meetings DESC, type, value) AS place FROM met
) AS ranked WHERE place <= /*limit*/ AND meetings > 1

-- name: aside
-- The values set aside so far, by the names that nodes have of them.
SELECT /*hash*/(pool, type, value) AS name FROM cut

-- name: type_left
-- A type's value, unless it was set aside.
CASE WHEN a_/*type*/.name IS NULL THEN o./*type*/ END AS /*type*/

-- name: aside_of_type
LEFT JOIN aside AS a_/*type*/ ON a_/*type*/.name = /*hash*/(o.pool, /*code*/, o./*type*/)

-- name: linked_rows
-- A row whose identities are all quarantined meets nobody: each is a component.
SELECT CASE WHEN /*nobody*/ THEN /*hash*/(o.row_id) ELSE coalesce(c.component, o.node) END AS component, r.number,
    o.row_id, o.at_ms, o.environment, o.endpoint, o.input, o.attributes, o.set_aside, /*types*/
FROM observed AS o
JOIN ranked AS r ON r.row_id = o.row_id
LEFT JOIN components AS c ON c.node = o.node
/*asides*/

-- name: only_set_aside
-- Rows that have no identity left. Those of which something is quarantined are answered as if they had named nobody.
SELECT row_id FROM linked_rows WHERE /*none*/ AND set_aside IS NULL

-- name: linked_left
SELECT * FROM linked_rows WHERE NOT (/*none*/ AND set_aside IS NULL)

-- name: largest
SELECT count(*) AS of_rows, min(row_id) AS first_row
FROM linked_left GROUP BY component ORDER BY of_rows DESC, first_row LIMIT /*limit*/

-- name: quarantined
-- What was set aside when rows were read, the commonest first.
SELECT environment, set_aside, count(*) AS of_rows FROM observed WHERE set_aside IS NOT NULL
GROUP BY environment, set_aside ORDER BY of_rows DESC, environment, set_aside LIMIT /*limit*/

-- name: put_values
INSERT INTO /*name*/ VALUES (?, ?, ?)

-- name: observed
SELECT row_id, at_ms, environment, endpoint, input, attributes, set_aside, /*types*/, /*columns*/
FROM read_parquet('/*files*/')

-- name: ranked
-- The rows' numbers in the history: by time, and of the same time in the order of files and rows.
SELECT row_id, row_number() OVER () AS number FROM (SELECT row_id FROM observed ORDER BY at_ms, row_id) AS ordered

-- name: write_buckets
COPY (SELECT *, component % /*buckets*/ AS bucket FROM linked_left)
TO '/*folder*/' (FORMAT parquet, PARTITION_BY (bucket), OVERWRITE_OR_IGNORE)

-- name: write_set_aside
COPY (SELECT row_id, 'set_aside' AS reason, '/*message*/' AS message FROM only_set_aside)
TO '/*file*/' (FORMAT parquet)
