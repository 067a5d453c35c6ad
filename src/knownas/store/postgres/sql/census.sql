-- What is counted of all profiles, now and then. Each statement reads one table, whose rows it groups by the column by which that
-- is distributed before it brings anything together.

-- name: census_profiles
-- Known, anonymous and empty profiles of each pool, of a part of all MPIDs. An empty record is {}.
SELECT
    pool,
    count(*) FILTER (WHERE known),
    count(*) FILTER (WHERE NOT known AND identities <> '\x7b7d'::bytea),
    count(*) FILTER (WHERE NOT known AND identities = '\x7b7d'::bytea)
FROM knownas.profile WHERE mpid BETWEEN $1 AND $2 GROUP BY pool;

-- name: census_held
-- How many identities of some types anybody holds.
SELECT pool, count(*) FROM knownas.identity WHERE type = ANY ($1::smallint[]) AND holders > 0 GROUP BY pool;

-- name: census_crowds
-- How many identities of some types that many anonymous profiles hold.
SELECT
    pool,
    count(*) FILTER (WHERE anonymous >= $2),
    count(*) FILTER (WHERE anonymous >= $3),
    count(*) FILTER (WHERE anonymous >= $4),
    count(*) FILTER (WHERE anonymous >= $5)
FROM (
    SELECT value, type, pool, count(*) AS anonymous FROM knownas.holding
    WHERE NOT known AND type = ANY ($1::smallint[]) GROUP BY value, type, pool
) AS crowd
GROUP BY pool;

-- name: census_largest
-- The identities of some types that most anonymous profiles hold, in each pool.
SELECT pool, type, anonymous, mpid
FROM (
    SELECT
        pool, type, anonymous, mpid,
        row_number() OVER (PARTITION BY pool ORDER BY anonymous DESC, type, mpid) AS place
    FROM (
        SELECT value, type, pool, count(*) AS anonymous, min(mpid) AS mpid FROM knownas.holding
        WHERE NOT known AND type = ANY ($1::smallint[]) GROUP BY value, type, pool HAVING count(*) >= $2
    ) AS crowd
) AS ranked
WHERE place <= $3
ORDER BY pool, place;
