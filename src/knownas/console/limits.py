"""Names every limit of the console."""

from typing import Final

FORM_BYTES_MAX: Final = 256 * 1024
"""A form, as the browser sends it."""

FORM_FIELDS_MAX: Final = 200
"""Fields of a form."""

FIELD_CHARACTERS_MAX: Final = 1_024
"""Characters of a field, where the page does not say otherwise."""

QUERY_BYTES_MAX: Final = 8_192
"""The query of a page, as it stands in the address."""

COOKIE_BYTES_MAX: Final = 16_384
"""All cookies of a request together; of a longer header none is read."""

TOLD_CHARACTERS_MAX: Final = 300
"""Characters of the sentence that is told on the next page: it travels in a cookie."""

HASHES_AT_ONCE_MAX: Final = 2
"""Passwords that are compared at once: each takes 64 MiB and most of a tenth of a second of a processor."""

HASHES_WAITING_MAX: Final = 20
"""Passwords that may wait to be compared; a further one is told to come back (503)."""

PASSWORD_CHARACTERS_MIN: Final = 12
"""Characters of a password, at least, for which a hash is made."""

PASSWORD_CHARACTERS_MAX: Final = 1_024
"""Characters of a password or token that is looked at."""

NAME_FAILURES_IN_A_ROW_MAX: Final = 100
"""Wrong passwords for one user in a row, from all addresses together, before every further one has to wait."""

PROVIDER_SECONDS: Final = 5.0
"""How long the provider of OpenID Connect may take for each answer."""

PROVIDER_BYTES_MAX: Final = 512 * 1024
"""An answer of the provider."""

PROVIDER_KNOWN_SECONDS: Final = 3_600.0
"""How long it is remembered where the provider's endpoints and keys are."""

PROVIDER_KEYS_AGAIN_SECONDS: Final = 60.0
"""How often the provider's keys are asked for again because a token names one that is not among them."""

CLOCK_LEEWAY_SECONDS: Final = 60
"""How much the clocks of the provider and of this server may differ."""

CLAIMED_ROLES_MAX: Final = 20
"""Values of the claim of roles that are kept of somebody who signs in: of those that count here."""

STATIC_AGE_SECONDS: Final = 365 * 24 * 3_600
"""How long browsers may keep a file: its address changes with what is in it."""

THEME_AGE_SECONDS: Final = 365 * 24 * 3_600
"""How long a browser remembers whether somebody likes it dark."""

HEALTH_REFUSALS_SHOWN: Final = 50
"""Refusals by reason and input that the page of the health of identity lists, the most frequent ones."""

CHART_POINTS_MAX: Final = 400
"""Points of a line, or bars, of one chart."""

CHART_SERIES_MAX: Final = 8
"""Lines of one chart, or parts of one bar: as many as there are colours that can be told apart."""

EVENTS_SHOWN: Final = 20
"""Events on a page of a profile's events."""

PAST_SHOWN_MAX: Final = 100
"""Identities that a profile had and has no more, on its page: those that went last."""

CONSENT_CHANGES_SHOWN_MAX: Final = 50
"""Changes of consent in one workspace, on the page of a profile: the last ones."""

STORY_LINES_SHOWN: Final = 40
"""Lines of a profile's story on one page."""

MEMBERSHIPS_TOLD_PROFILES: Final = 20
"""Profiles of which the preview of an undo tells the audiences that they are in."""

GRAPH_LABEL_CHARACTERS_MAX: Final = 27
"""Characters of a value in the drawing of a graph; the table beside it has all of them."""

TAKEN_BACK_SHOWN: Final = 10
"""Decisions that the receipt of a correction tells of those that it takes back."""

DESK_PAGE: Final = 50
"""Requests of data subjects in one page of the privacy desk."""

LOOKS_PAGE: Final = 100
"""Rows in one page of who read what."""

RESULTS_BYTES_MAX: Final = 64 * 2**20
"""An archive of a data subject that is handed over in the console: it is held in memory."""

ASKED_IDENTITIES_MAX: Final = 3
"""Identities by which a new request of a data subject can say who it is about."""

ROTATED_VALID_DAYS: Final = 7
"""Days for which the old pair of an input opens beside the one that is made in the console."""

CRITERIA_ROWS_MAX: Final = 24
"""Conditions of a definition that are edited in rows; more are edited as JSON."""

CRITERIA_GROUPS_MAX: Final = 8
"""Groups of conditions that are edited in rows, the outermost with them; more are edited as JSON."""

CRITERIA_DEPTH_MAX: Final = 3
"""Groups of conditions within one another that are edited in rows."""

VALUE_CHARACTERS_MAX: Final = 8_192
"""Characters of the value of a condition that is edited in a row, such as a list."""

DEFINITION_FIELD_CHARACTERS_MAX: Final = 50_000
"""A definition, or what is set of a connection, as it stands in a field as JSON."""

SIZES_SECONDS: Final = 5.0
"""How long the members of audiences are counted for a list of them; of those beyond it is said that they were not."""

LISTED_A_PAGE: Final = 50
"""Members, deliveries, and others that a page of the console lists."""

OUTPUT_COUNTED_MAX: Final = 10_000
"""Deliveries of an output in a state that a page of the console counts; there may be more."""

POLICY_CHARACTERS_MAX: Final = 20_000
"""A scope's rules, as the page that asks whether they are to be published sends them."""

GROUP_MEMBERS_SHOWN: Final = 10
"""Other members of a group that the page of a profile shows."""

LIVE_FIRST_SHOWN: Final = 100
"""Lines with which the page of the live stream begins: the newest."""

LIVE_ROWS_MAX: Final = 500
"""Lines that the page of the live stream keeps while it follows; older ones leave it."""
