-- works_from: 4
-- The layout of a knownas database, version 11: what came of judging is not written by one whose turn at it is over.

-- Refuses a commit of judging if the turn in which it was made is somebody else's. A turn is a document that is kept; whoever takes it waits for this
-- transaction, and whoever comes here later finds another document. So it is the last lock that a commit takes. No name stands for no turn.
CREATE FUNCTION knownas.audience_turn_1(
    turn_name text, turn_document bytea
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF turn_name IS NULL THEN
        RETURN;
    END IF;
    PERFORM 1 FROM knownas.kept AS k WHERE k.name = turn_name AND k.document = turn_document FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the turn is somebody else''s' USING ERRCODE = 'KN001';
    END IF;
END $$;
