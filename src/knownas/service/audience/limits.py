"""Names every limit and every pause of what is done for audiences."""

from typing import Final

AUDIENCES_MAX: Final = 1_000
"""Audiences of one workspace that are there at a time."""

CONNECTIONS_MAX: Final = 1_000
"""Connections of one workspace's audiences and inputs with outputs that are there at a time."""

OUTPUTS_MAX: Final = 200
"""Outputs of one workspace that are there at a time."""

NAME_CHARACTERS_MAX: Final = 100
"""Characters of the name of an audience or an output (platform §6.1)."""

SETTING_CHARACTERS_MAX: Final = 4_096
"""Characters of one setting of an output, such as a URL or a key."""

DOCUMENT_ATTEMPTS_MAX: Final = 10
"""How often a new number or another version is tried while others are faster."""

MARKS_A_ROUND: Final = 2_000
"""Marks that are read at a time."""

MARKS_OF_BATCHES_A_ROUND: Final = 200
"""Marks that are read at a time where batches are forwarded: such a mark has a batch in it."""

FORWARDED_TO_MAX: Final = 20
"""Connections of one input over which its events are forwarded."""

NOT_FORWARDED_SHOWN: Final = 1_000
"""Batches of which nothing was forwarded that a server remembers with the reason, the last ones."""

JUDGED_TOGETHER: Final = 200
"""Profiles that are judged and written down in one transaction."""

JUDGE_ATTEMPTS_MAX: Final = 10
"""How often a group is judged anew because others were faster."""

JOINED_ROUNDS_MAX: Final = 3
"""How often profiles that have what others gain are added to a group; those beyond are corrected when they are judged themselves."""

EVENT_BATCHES_MAX: Final = 10_000
"""Kept batches of events, the newest ones, that a profile is judged by."""

SWEPT_A_PAGE: Final = 2_000
"""Profiles that are looked at together when an audience or a connection is new, or gone."""

GATHERED_SECONDS: Final = 0.05
"""The pause after a look that found few: those who are marked meanwhile are judged together, somebody marked twice only once."""

GLIMPSED_A_PAGE: Final = 500
"""Sections that a first look reads together; where requests are answered, too, these get their turn then."""

STRETCH_SECTIONS: Final = 40_000
"""Sections that are looked at in one go when an audience is new, by one of those who look."""

STANDINGS_TOGETHER: Final = 500
"""New standings that a sweep writes in one transaction."""

STANDINGS_WAITING_MAX: Final = 10_000
"""New standings that wait to be written while others are looked at: the more there are, the closer together are those of a transaction."""

SWEEP_SECONDS: Final = 10.0
"""How long a sweep goes on before due users get their turn; marks end it at once."""

LOOK_SECONDS: Final = 0.5
"""The pause between two looks for who has to be judged, where nobody says so."""

TURN_MS: Final = 30_000
"""How long a process that ended without giving its turn back keeps the others from judging."""

CATALOGUE_SECONDS: Final = 1.0
"""How old what a server knows of audiences may be; until then it marks everybody of a batch, and none is missed."""

FORGOTTEN_A_STEP: Final = 1_000
"""Things of an erased profile that are forgotten in one transaction."""

WAITING_DROPPED_A_PAGE: Final = 500
"""Deliveries about an erased profile that are read at a time."""

ERASURES_A_PAGE: Final = 500
"""Requests of data subjects that are looked through at a time for erasures that outputs are to be told of."""

ERASURES_LOOK_SECONDS: Final = 2.0
"""The pause between two looks for new erasures."""

ERASURES_SEEN_AGAIN_MS: Final = 3_600_000
"""How far behind the newest request a look begins: those of other processes may appear a little later."""

PREVIEWED_MEMBERS: Final = 20
"""Members that a preview shows."""

PREVIEW_SECONDS: Final = 20.0
"""How long a preview counts; then it says how far it came."""

TURNOVER_INTERVALS_MAX: Final = 750
"""Hours or days of which it is counted at once how many joined an audience and how many left it: a month of hours, two years of days."""

TURNOVER_DAYS_BACK_MAX: Final = 3_660
"""Days that lie between now and the first interval of which that is counted, at most: ten years."""

CHANGES_LOOKED_AT: Final = 200
"""Changes of a profile's memberships, the newest ones, among which the last joining of each audience is looked for."""

DOWNLOADED_A_PAGE: Final = 500
"""Members of an audience that are read, and written into its archive, before a piece of that is handed out."""
