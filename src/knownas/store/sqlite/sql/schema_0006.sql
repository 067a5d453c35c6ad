-- The layout of a knownas database, version 6: when a section was last removed, and changes of membership by their time.

-- The number of the section clock when a section was last removed. A section with a version up to that, which has another one by now, may be
-- another section.
CREATE TABLE section_removal (
    removal INTEGER PRIMARY KEY CHECK (removal = 1),
    number INTEGER NOT NULL
) STRICT;

INSERT INTO section_removal (removal, number) SELECT 1, number FROM section_clock;

-- Whoever counts the changes of an audience in some time reads those alone, and of each no more than this.
CREATE INDEX membership_change_at ON membership_change (audience, workspace, environment, at_ms, is_member);
