"""Names every limit of what is counted for the health of identity."""

from typing import Final

TALLY_WRITE_SECONDS: Final = 5.0
"""How often what a server has counted is written down; a server that is killed loses what it counted since."""

NOTED_THINGS_MAX: Final = 10_000
"""Different things that a server counts between two writes; further ones are counted as one."""

TALLY_THINGS_MAX: Final = 20_000
"""Different things in the tally of an hour or a day; those that happened least often are counted as one beyond it."""

UNWRITTEN_INTERVALS_MAX: Final = 28
"""Hours and days of which a server holds what it could not write down yet; beyond, the oldest is given up."""

WRITERS_REMEMBERED_MAX: Final = 64
"""Servers of which a tally remembers what they have added: those that added last."""

CENSUS_LOOK_SECONDS: Final = 10.0
"""How often a server looks whether profiles have to be counted again."""

CENSUS_AGAIN_MS: Final = 5 * 60_000
"""How old a count of profiles is before they are counted again, at least."""

CENSUS_RESTS_TIMES: Final = 19
"""And at least so many times as long as it took: counting takes a twentieth of the time at most."""

CENSUS_TURN_MS: Final = 3 * 60_000
"""For how long only one server may count: longer than it can take."""

CENSUS_SHARES: Final = (1, 64, 4_096)
"""Profiles are all counted; or where that takes too long, those in one of so many equal parts of all MPIDs, times that."""

CROWDS_SHOWN_MAX: Final = 10
"""Of each scope and environment, devices that are named as having the most anonymous profiles."""
