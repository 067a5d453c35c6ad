"""Says in words what the reference can't read from the code: a sentence for each word, label and group. Those of refusals stand in `refusal_words`."""

from collections.abc import Mapping
from typing import Final

ENVIRONMENT: Final = {
    "KNOWNAS_SERVER": "The server that `explain`, `tail` and other verbs ask, if `--server` is not given.",
    "KNOWNAS_SECRET_KEY": "The secret keys under which secrets are sealed in the database; see "
    "[rotate keys](../how-to/rotate-keys.md).",
    "KNOWNAS_TOKEN": "The admin token that they send, if `--token` is not given.",
    "any": "`${NAME}` in a value of the configuration file is filled in with the environment variable `NAME`.",
}

EXIT_STATUS: Final = (
    ("0", "It was done."),
    ("1", "It could not be done; the reason stands on standard error."),
    ("2", "The command line can't be understood; the reason stands on standard error."),
)

CONFIGURATION: Final = """
`postgresql://` as a `database` needs the extra `knownas[postgres]`, and a server of version 14 or newer with an empty database.
"""

IDENTITY_TYPES: Final = """
# Identity types

An identity is a value of one of these types. Each has a name for each place where it is spelled. IDSync and the
configuration use the first column; batches of events, the Profile API, privacy requests, messages to partners in the open
protocol and the stream of an audience use theirs. The number is the one under which stores keep the type; up to 25 it is the enumeration of the SDKs.

A value has 1 to 256 characters (Unicode code points), no NUL, and no half of a surrogate pair. It is compared byte by
byte: no folding of case, no trimming.
"""

SURFACES: Final[Mapping[str, str]] = {
    "events": "Events",
    "web": "Web SDK",
    "alias": "Alias",
    "tokens": "Tokens",
    "profiles": "Profile API",
    "seeding": "Seeding",
    "privacy": "Privacy",
    "platform": "Platform API",
}
"""The title of each surface that keeps the vendor's paths, but for IDSync, by its tag in the OpenAPI document."""

CREDENTIALS: Final[Mapping[str, str]] = {"token": "an access token", "workspace": "Basic, of the workspace"}

RECEIPT: Final = (
    "These stand in the JSON of a receipt; [read a receipt](../how-to/read-a-receipt.md) explains its parts."
)

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "Refusal": {
        "no_identities": "The request names no identity; null and empty ones don't count.",
        "login_without_login_id": "A login needs a login ID in this scope; see `login_requires_login_id`.",
        "no_login_in_best_match": "The scope has `best_match_login_logout: reject`.",
        "empty_record": "No identity of the request can be on a new profile, and the scope has `empty_record: refuse`.",
        "unknown_mpid": "There is no profile of this MPID in this scope and environment. Modify never makes one.",
        "immutable_change": "An immutable value is set, and another was given.",
        "immutable_removal": "An immutable value is set, and can't be removed.",
        "immutable_taken": "An immutable value belongs to another profile.",
        "unique_move_not_allowed": "A unique value is another profile's, and the input has `allow_unique_moves: false`.",
        "unique_value_on_too_many_profiles": "The value was shared by a crowd before its type became unique, and can't be "
        "taken from all of them.",
        "record_full": "The profile holds 1,000 values, the most there can be.",
        "mpid_taken": "There is a profile of this MPID already.",
        "unique_taken": "A unique value of the profile that should come over belongs to another one.",
        "erased": "The profile was erased at the wish of whom it was about; or what a request did is no longer kept, so that it "
        "can't be taken back.",
        "suppressed": "An identity of the request is one of somebody who was erased and is to stay out.",
    },
    "Denied": {
        "no_credentials": "The request has no credentials.",
        "unknown_key": "No input has this key.",
        "wrong_secret": "The secret is not that of the input.",
        "wrong_signature": "The signature does not fit. The secret differs, or something on the way changes path or body.",
        "signature_without_date": "A signature covers the header `Date`, which is missing.",
        "key_only_not_allowed": "The input needs a secret or signature; `allow_key_only` allows the key alone.",
        "malformed_credentials": "The header `Authorization` can't be read, or a credential header stands there twice.",
    },
    "LookupEffect": {
        "no_profile": "Nobody holds the value who may answer.",
        "first_candidates": "Those who hold it are the first candidates.",
        "narrowed": "Of the candidates, those who hold it are left.",
        "no_overlap_ignored": "None of the candidates holds it, so it makes no difference.",
    },
    "Guard": {
        "login_id_required": "The profile is a known user's, and none of its login IDs is in the request.",
        "immutable_id_required": "The profile has immutable IDs, and none of them is in the request.",
        "search_needs_an_immutable_id": "A search must match an immutable ID; see `search_immutable_policy`.",
    },
    "DecidedBy": {
        "one_profile_left": "The look-up came down to one profile.",
        "previous_mpid": "Of several, the client's previous profile.",
        "most_recently_active": "Of several, the one that was active last.",
        "smallest_mpid": "Of several that were active at the same time, the one with the smallest MPID.",
        "known_beats_anonymous": "A login ID of the request belongs to a known profile, which goes before an anonymous one.",
        "no_profile_can_be_returned": "Nobody may answer.",
        "first_seen_login_id_gets_a_profile": "Under this strategy a login ID on a visitor's device makes a new profile.",
        "logout_makes_a_profile": "Under this strategy each logout makes a new anonymous profile.",
        "named_by_its_mpid": "The request named the profile: a modify, or one that comes over.",
        "refused": "The request was refused before any look-up.",
        "history_corrected": "What counts of the history was changed: a decision was taken back, or counts again.",
    },
    "ChangeKind": {
        "added": "The profile can be looked up by the value from now on.",
        "removed": "It no longer can.",
        "moved": "The value was taken from the profile `from_mpid`.",
        "carried": "The profile has the value; its type is outside the priority, so no look-up uses it.",
        "dropped": "The profile no longer has a value it carried.",
    },
    "Skip": {
        "immutable_already_set": "The profile has another value of this immutable type.",
        "unique_held_by_another_profile": "The type is unique, and the profile `holder` has the value.",
        "max_values_reached": "The profile has as many values of the type as the scope's `max_values` allows.",
        "record_full": "The profile holds 1,000 values, the most there can be.",
        "login_id_ignored_at_logout": "A logout names the user to switch to; login IDs are ignored in it.",
        "quarantined": "The value is nobody's own: it was quarantined when the request came, and set aside.",
    },
    "HadBeen": {
        "absent": "The request had not named it.",
        "different": "The request had named a value of the same type that nobody has.",
    },
    "Over": {
        "records_of_the_decision": "Those that the decision was made over.",
        "records_at_its_line": "Those before its line of the log, for a captured decision that changed nothing: its line is "
        "written up to 0.2 seconds later, and another process may have written in between.",
        "records_of_now": "Those of now, for a decision that changed nothing and is not in the log. The decision would be the "
        "same now. Its own visit has happened.",
    },
    "Untold": {
        "too_many_holders": "More profiles hold a value that was not looked up than a lookup considers. Which of them were "
        "active last is not logged.",
        "too_much_happened_since": "More than 100,000 lines of the log are younger, or more than could be read in two seconds: too many "
        "to look in for whoever has lost a value that was not looked up.",
        "too_many_ties": "Too many profiles would have been left, and which of them was active last is not logged.",
        "too_long_a_history": "The profiles that took part have too many, or too long, histories.",
        "records_have_changed": "The decision changed nothing and is not in the log, and now it would be another one.",
        "not_reproduced": "The log alone does not come to this decision again. That can be where another process wrote between a "
        "captured decision and its line, or where the policy version is not kept; otherwise please report it.",
    },
}

METRICS: Final = """
# Metrics

`GET /metrics` answers in Prometheus' text format. The counters start at 0 with the server. A label's value appears with
the first request that needs it.
"""

LABELS: Final[Mapping[tuple[str, str], str]] = {
    (
        "knownas_decisions",
        "endpoint",
    ): "`identify`, `login`, `logout`, `search`, `modify`; for batches `events`, `bulkevents`, "
    "`historical`, `websdk_events`",
    ("knownas_decisions", "scope"): "the name of the identity scope",
    (
        "knownas_decisions",
        "outcome",
    ): "`known`: a known profile answered; `became_known`: an anonymous one got its first "
    "login ID; `anonymous`: an anonymous one answered; `created`: a new profile; `created_without_identities`: a new "
    "profile that nothing leads to; `modified`: a modify was carried out; for batches `kept`, `refused`, `repeated`",
    (
        "knownas_refusals",
        "surface",
    ): "`idsync`, `events`, `websdk`, `alias`, `token`, `profile`, `seeding`, `platform`, `own`, `opendsr`, "
    "`bulk_deletion`",
    ("knownas_refusals", "reason"): "the [reason](refusal-codes.md)",
    ("knownas_identities_set_aside", "scope"): "the name of the identity scope",
    ("knownas_turned_away", "scope"): "the name of the identity scope",
    (
        "knownas_identities_set_aside",
        "reason",
    ): "`pattern`, `too_many_known_users`, `too_many_devices`, `too_many_scopes`, `by_hand`",
    ("knownas_deliveries", "output"): "the id of the output",
    (
        "knownas_deliveries",
        "outcome",
    ): "of deliveries `sent`; `dead`: the output will not have it; `dropped`: the output or the connection is gone, or it was "
    "erased; `again`: it could not be taken beside others and is tried again; of requests `not_now`: the destination was "
    "not reached, is busy or has failed; `refused`: it will not have what is in it; of outputs `faulted`: it stops "
    "until it is resumed",
    ("knownas_deliveries_waiting", "output"): "the id of the output",
    ("knownas_deliveries_oldest_seconds", "output"): "the id of the output",
    ("knownas_delivery_breaker", "output"): "the id of the output",
    (
        "knownas_delivery_breaker",
        "state",
    ): "`closed`: it is sent to; `open`: it is out and left alone for a while; `half_open`: a "
    "single message finds out whether it is back",
    ("knownas_privacy_requests", "type"): "`access`, `portability`, `erasure`",
    (
        "knownas_privacy_requests",
        "outcome",
    ): "`done`; `failed`: it is tried again after a pause; `put_off`: it goes on after a pause",
    (
        "knownas_privacy_callbacks",
        "outcome",
    ): "`accepted`; `failed`: it is tried again after a pause; `given_up` after seven days",
    ("knownas_toxic_values", "scope"): "the name of the identity scope",
    ("knownas_toxic_values", "state"): "`watched`, `quarantined`, `released`",
}

LIMITS: Final = """
# Limits

Everything that could grow has a limit. None of these is a setting. What a request may have is refused beyond its limit with
a [reason](refusal-codes.md), never cut off. Batches of events are the exception, as the protocol has it: what is too long in
an event is cut, an attribute that can't be kept is left out, and the notes of the batch's receipt say so.
"""
