-- works_from: 4
-- The layout of a knownas database, version 5: what only a correction of the history changes of a profile.

-- Gives profiles another time at which they were made, and another source. Called in the transaction of a commit that has
-- locked and changed them.
CREATE FUNCTION knownas.revise_1(mpids bigint[], are_created_ms bigint[], are_source_mpids bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    FOR n IN 1 .. cardinality(mpids) LOOP
        UPDATE knownas.profile AS p SET created_ms = are_created_ms[n], source_mpid = are_source_mpids[n]
        WHERE p.mpid = mpids[n];
    END LOOP;
END $$;
