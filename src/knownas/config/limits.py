"""Names every limit of a configuration file, so that no file can hold up or fill up the start."""

from typing import Final

FILE_CHARACTERS_MAX: Final = 1_048_576
"""Characters of one file; the parser needs up to ten seconds for that many."""

FILE_NODES_MAX: Final = 100_000
"""Names, values, lists and mappings of one file, those that aliases repeat counted each time."""

FILE_DEPTH_MAX: Final = 32
"""Lists and mappings inside one another; the deepest member of the format stands at 10."""

FAULTS_MAX: Final = 1_000
"""Faults reported of one file; one more says that the rest is left out."""

SUGGESTIONS_MAX: Final = 100
"""Slips of one file for which the name that was meant is looked for."""

SUGGESTIONS_CONSIDERED_MAX: Final = 200
"""Names that are compared with a slip to suggest the one that was meant."""

NAMES_LISTED_MAX: Final = 20
"""Names that a fault lists as allowed where the file itself defines them."""

MEMBER_NAME_CHARACTERS_MAX: Final = 64
"""Characters of a member's name; the longest of the format has 31."""

SCALAR_CHARACTERS_MAX: Final = 4_096
"""Characters of one value after its variables are filled in."""

QUOTED_CHARACTERS_MAX: Final = 60
"""Characters of a value that a fault quotes."""

NAME_CHARACTERS_MAX: Final = 200
"""Characters of the name of an organization, account, workspace, input, scope or feed."""

KEY_CHARACTERS_MAX: Final = 200
"""Characters of a key, which travels in headers and URLs."""

SECRET_CHARACTERS_MAX: Final = 512
"""Characters of a secret or token."""

DATABASE_CHARACTERS_MAX: Final = 2_000
"""Characters of the database's URL."""

HOST_CHARACTERS_MAX: Final = 253
"""Characters of a host name, as in the DNS."""

PATH_CHARACTERS_MAX: Final = 4_096
"""Characters of the path of a file, as in Linux."""

LIST_ITEMS_MAX: Final = 10_000
"""Items of one list: scopes, accounts, workspaces, inputs, credentials."""

TYPES_MAX: Final = 100
"""Items of one list of identity types or of tie-breaking rules."""

ID_MAX: Final = 2**63 - 1
"""The largest id of an organization, account or workspace: what a signed 64-bit column holds."""

PORT_MAX: Final = 65_535
"""The largest TCP port."""

REQUESTS_PER_SECOND_MAX: Final = 1_000_000.0
"""The largest rate limit; who wants more sets none."""

BURST_SECONDS_MAX: Final = 3_600.0
"""The longest time over which an input may save up requests."""

ALIAS_DELAY_HOURS_MAX: Final = 8_760.0
"""The longest delay of an alias request: a year."""

ALIAS_WINDOW_DAYS_MAX: Final = 3_650
"""The longest window of an alias request: ten years."""

SECRET_CHARACTERS_WISE: Final = 8
"""A secret shorter than this draws a warning."""

ADMIN_TOKEN_CHARACTERS_WISE: Final = 16
"""An admin token shorter than this draws a warning: it opens everything."""

ALLOWED_VALUES_MAX: Final = 1_000
"""Values that a scope may say are never toxic."""

URL_CHARACTERS_MAX: Final = 500
"""Characters of the address of a server."""

CALLBACK_ORIGINS_MAX: Final = 100
"""Origins to which callbacks of privacy requests may go."""

CONSOLE_USERS_MAX: Final = 1_000
"""Users of the console that the file names; who has more uses a provider."""

USER_NAME_CHARACTERS_MAX: Final = 100
"""Characters of the name of a user of the console."""

CLAIM_CHARACTERS_MAX: Final = 200
"""Characters of the name of a claim or scope of OpenID Connect."""

OIDC_SCOPES_MAX: Final = 20
"""Scopes that a provider of OpenID Connect is asked for."""
