-- What is counted of all profiles, now and then. A row that counts has all that there are, as JSON.

-- name: census_profiles
-- Known, anonymous and empty profiles of each pool, of a part of all MPIDs.
SELECT json_group_array(json_array(p.scope, p.environment, counted.known, counted.anonymous, counted.orphans))
FROM (
    SELECT
        pool,
        sum(known = 1) AS known,
        sum(known = 0 AND identities <> '{}') AS anonymous,
        sum(known = 0 AND identities = '{}') AS orphans
    FROM profile WHERE mpid BETWEEN ? AND ? GROUP BY pool
) AS counted
JOIN pool AS p ON p.pool = counted.pool;

-- name: census_crowds
-- How many identities of some types anybody holds, and how many of them that many anonymous profiles hold. The pools come first,
-- so that of each the types alone are read.
SELECT json_group_array(json_array(scope, environment, held, least_1, least_2, least_3, least_4))
FROM (
    SELECT
        scope,
        environment,
        count(*) AS held,
        sum(anonymous >= ?2) AS least_1,
        sum(anonymous >= ?3) AS least_2,
        sum(anonymous >= ?4) AS least_3,
        sum(anonymous >= ?5) AS least_4
    FROM (
        SELECT
            p.pool, p.scope, p.environment,
            CASE WHEN i.holders >= ?2 THEN
                (SELECT count(*) FROM holding AS h WHERE h.identity = i.identity AND h.known = 0)
            ELSE 0 END AS anonymous
        FROM pool AS p
        CROSS JOIN json_each(?1) AS wanted
        CROSS JOIN identity AS i ON i.pool = p.pool AND i.type = wanted.value
        WHERE i.holders > 0
    )
    GROUP BY pool
);

-- name: census_largest
-- The identities of some types that most anonymous profiles hold, in each pool.
SELECT json_group_array(json_array(scope, environment, type, anonymous, mpid))
FROM (
    SELECT
        scope, environment, type, anonymous, mpid,
        row_number() OVER (PARTITION BY pool ORDER BY anonymous DESC, type, mpid) AS place
    FROM (
        SELECT
            p.pool, p.scope, p.environment, i.type, count(*) AS anonymous, min(h.mpid) AS mpid
        FROM pool AS p
        CROSS JOIN json_each(?1) AS wanted
        CROSS JOIN identity AS i ON i.pool = p.pool AND i.type = wanted.value
        CROSS JOIN holding AS h ON h.identity = i.identity AND h.known = 0
        WHERE i.holders >= ?2
        GROUP BY p.pool, i.type, i.value
        HAVING count(*) >= ?2
    )
    ORDER BY pool, place
)
WHERE place <= ?3;
