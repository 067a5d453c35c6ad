"""Says in words what the reference can't read from the code: a sentence for each reason, word, label and group."""

from collections.abc import Mapping
from typing import Final

ENVIRONMENT: Final = {
    "KNOWNAS_SERVER": "The server that `explain` asks, if `--server` is not given.",
    "KNOWNAS_TOKEN": "The admin token that `explain` sends, if `--token` is not given.",
    "any": "`${NAME}` in a value of the configuration file is filled in with the environment variable `NAME`.",
}

EXIT_STATUS: Final = (
    ("0", "It was done."),
    ("1", "It could not be done; the reason stands on standard error."),
    ("2", "The command line can't be understood; the reason stands on standard error."),
)

CONFIGURATION: Final = """
Read and checked, but not used yet: `credentials`, the `settings` of a workspace, the `key` and `secret` of a workspace, and
`postgresql://` as a `database`, with which no server starts.
"""

IDENTITY_TYPES: Final = """
# Identity types

An identity is a value of one of these types. Each has a name for each place where it is spelled. IDSync and the
configuration use the first column; the other surfaces are listed for programs that translate between them, and are not
served yet. The number is the one under which stores keep the type; up to 25 it is the enumeration of the SDKs.

A value has 1 to 256 characters (Unicode code points), no NUL, and no half of a surrogate pair. It is compared byte by
byte: no folding of case, no trimming.
"""

REFUSALS: Final = """
# Reasons

Every refusal names its reason by a word that does not change between versions. IDSync puts it into the header
`X-Refusal-Reason`, and into `reason` of the error body where there is a body; the codes that the vendor's documentation
names (`LOOKUP_ERROR` and so on) stand beside it for the SDKs. Our own API puts the word into `error.code`. In `/metrics` it
is the label `reason` of `knownas_refusals_total`.
"""

REASONS: Final[Mapping[str, str]] = {
    "admin_api_off": "The configuration has no `admin_token`. Set one to use `/api/`.",
    "body_too_long": "The body is longer than 256 KiB, before or after decompression.",
    "device_application_stamp": "The stamp can't be modified in this scope; `modify_device_application_stamp` allows it.",
    "disconnected": "The client went away before its request was whole.",
    "duplicate_key": "An object of the body names a member twice.",
    "endpoint_not_explained": "Only identify, login, logout and search are explained.",
    "headers_too_long": "The headers are longer than 64 KiB in all.",
    "identity_type_twice": "Two spellings in one request name the same identity type.",
    "internal_error": "A fault of the server. Its log has more; please report it.",
    "invalid_identity": "A value is empty, longer than 256 characters, or holds NUL or half of a surrogate pair.",
    "invalid_limit": "`limit` is no number in its range.",
    "invalid_member": "A member of the body is missing or of the wrong type; the message names it.",
    "invalid_parameter": "A query parameter is neither true nor false.",
    "invalid_previous_mpid": "`previous_mpid` is no 64-bit integer.",
    "malformed_decision_id": "A decision id has 32 lower-case hex digits.",
    "malformed_gzip": "The body is not what `Content-Encoding: gzip` says, is cut off, or something follows it.",
    "malformed_json": "The body is not JSON in UTF-8.",
    "malformed_mpid": "The MPID is no 64-bit integer other than 0.",
    "malformed_next": "`next` is not what an earlier page answered.",
    "method_not_allowed": "This path is asked with another method; the header `Allow` names it.",
    "modify_not_allowed": "The input has `allow_modify: false`.",
    "not_found": "No profile can be returned, and the request makes none: a search, a read-only request, or an input "
    "that only updates. The receipt says why.",
    "not_started": "The server is starting or stopping. Try again in a moment.",
    "overloaded": "More requests wait than the server keeps. Try again after `Retry-After`.",
    "rate_limited": "The input, or one of the identities, is over its limit. Wait for `Retry-After` seconds.",
    "search_not_allowed": "The input has `allow_search: false`.",
    "too_deep": "The body is nested too deep.",
    "too_many_changes": "A modify has more than 100 changes.",
    "too_many_values": "A profile can come over with 1,000 values.",
    "unauthorised": "The bearer token is missing, or is not the admin token.",
    "unknown_decision": "No decision has this id, or it changed nothing and has been forgotten.",
    "unknown_encoding": "The body is encoded in another way than gzip.",
    "unknown_identity_type": "A name is no identity type; see [identity types](identity-types.md).",
    "unknown_path": "There is nothing at this path.",
    "unknown_profile": "No profile has this MPID.",
    "unknown_scope": "The configuration has no scope of this name.",
}

ANSWERED_ELSEWHERE: Final[Mapping[str, str]] = {
    "method_not_allowed": "everywhere 405",
}
"""Reasons that the OpenAPI document does not tell of a path, with where they are answered."""

WIRE: Final[Mapping[str, str]] = {
    "duplicate_key": "VALIDATION_ERROR",
    "identity_type_twice": "VALIDATION_ERROR",
    "invalid_identity": "VALIDATION_ERROR",
    "invalid_member": "VALIDATION_ERROR",
    "invalid_parameter": "VALIDATION_ERROR",
    "invalid_previous_mpid": "VALIDATION_ERROR",
    "unknown_identity_type": "VALIDATION_ERROR",
    "too_many_changes": "VALIDATION_ERROR",
    "device_application_stamp": "VALIDATION_ERROR",
    "malformed_json": "BAD_REQUEST",
    "too_deep": "BAD_REQUEST",
    "malformed_gzip": "BAD_REQUEST",
    "body_too_long": "BAD_REQUEST",
    "headers_too_long": "BAD_REQUEST",
    "unknown_encoding": "BAD_REQUEST",
    "method_not_allowed": "BAD_REQUEST",
    "not_found": "NOT_FOUND_ERROR",
    "internal_error": "INTERNAL_ERROR",
    "overloaded": "INTERNAL_ERROR",
    "store_error": "INTERNAL_ERROR",
    "store_unavailable": "INTERNAL_ERROR",
    "store_busy": "INTERNAL_ERROR",
    "store_full": "INTERNAL_ERROR",
    "store_read_only": "INTERNAL_ERROR",
    "store_damaged": "INTERNAL_ERROR",
    "store_too_new": "INTERNAL_ERROR",
    "unknown_outcome": "INTERNAL_ERROR",
}

STORE: Final = "With 503 the same request may succeed in a moment. With 500 an operator has to do something."

STORE_ERRORS: Final[Mapping[str, str]] = {
    "store_error": "The store could not do what it was asked; the log has more.",
    "store_unavailable": "The store does not answer now, or the server is stopping.",
    "store_busy": "Somebody else held the store's locks for longer than the server waits.",
    "store_full": "There is no room left on the disk. What needs no write is still answered. Make room.",
    "store_read_only": "The store's files refuse writes. Look at owner, mode and mount of the database.",
    "store_damaged": "What the store holds can't be read. Restore a backup.",
    "store_too_new": "A newer knownas has written the database. Install that version, or restore a backup.",
    "unknown_outcome": "The connection was lost during a commit: it may have happened or not. Look before trying again.",
}

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
    },
}

METRICS: Final = """
# Metrics

`GET /metrics` answers in Prometheus' text format. The counters start at 0 with the server. A label's value appears with
the first request that needs it.
"""

LABELS: Final[Mapping[tuple[str, str], str]] = {
    ("knownas_decisions", "endpoint"): "`identify`, `login`, `logout`, `search`, `modify`",
    ("knownas_decisions", "scope"): "the name of the identity scope",
    (
        "knownas_decisions",
        "outcome",
    ): "`known`: a known profile answered; `became_known`: an anonymous one got its first "
    "login ID; `anonymous`: an anonymous one answered; `created`: a new profile; `created_without_identities`: a new "
    "profile that nothing leads to; `modified`: a modify was carried out",
    ("knownas_refusals", "surface"): "`idsync`, `own`",
    ("knownas_refusals", "reason"): "the [reason](refusal-codes.md)",
}

LIMITS: Final = """
# Limits

Everything that could grow has a limit. None of these is a setting. What a request may have is refused beyond its limit with
a [reason](refusal-codes.md), never cut off.
"""

LIMITS_OF: Final[Mapping[str, str]] = {
    "knownas.api.limits": "Of a request",
    "knownas.config.limits": "Of a configuration file",
    "knownas.core.limits": "Of profiles and decisions",
    "knownas.service.limits": "Of queues, batches and memories",
}
