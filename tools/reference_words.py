"""Says in words what the reference can't read from the code: a sentence for each reason, word, label and group."""

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

REFUSALS: Final = """
# Reasons

Every refusal names its reason by a word that does not change between versions. The surfaces that keep the vendor's paths
put it into the header `X-Refusal-Reason`, and into `reason` of the error body where there is a body; the codes that the
vendor's documentation names (`LOOKUP_ERROR` and so on) stand beside it for the SDKs. Our own API puts the word into
`error.code`. In `/metrics` it is the label `reason` of `knownas_refusals_total`.

Where the protocol wants 202 for what is refused later, the refusal is kept and can be asked for: see
[batches](#reasons-of-a-batchs-receipt) and [aliases](#reasons-of-an-alias).
"""

REASONS: Final[Mapping[str, str]] = {
    "audience_in_use": "Another audience asks for membership in this one: change or delete that one first.",
    "invalid_group_kind": "Groups can't be defined like this; what is wrong stands there with each place.",
    "invalid_value": "Name the group by what its members share: `?value=`, to the letter.",
    "invalid_audience": "The audience can't be defined like this; `faults` has each place and what is wanted there.",
    "invalid_connection": "The audience can't be connected like this; `faults` has each place and what is wanted there.",
    "invalid_output": "The output can't be set up like this; `faults` has each place and what is wanted there.",
    "invalid_by": "`by` is `hour` or `day`.",
    "too_long_a_time": "Ask for at most 750 hours or days at once, of the last ten years.",
    "invalid_identities": "`identities` names a type that does not exist; `allowed` lists those that there are.",
    "invalid_reasons": "`reasons` is true or false.",
    "not_dead": "The delivery was sent, waits by now, or was given up: there is nothing to send again.",
    "superseded": "Something later was told about the same profile; sent now, the older message would undo it.",
    "unknown_connection": "The audience has no connection of this id.",
    "unknown_delivery": "The output has no such delivery; one that was sent again has a new number.",
    "unknown_group": "The workspace has no groups of this id.",
    "unknown_output": "The workspace has no output of this id.",
    "unknown_reason": "No member is ever passed over for such a reason; `allowed` lists those that there are.",
    "unknown_state": "A delivery is never in such a state; `allowed` lists those that there are.",
    "admin_api_off": "The configuration has no `admin_token`. Set one to use `/api/`.",
    "console_off": "The configuration has nobody who could sign in: set `admin_token`, or users or a provider in `console`.",
    "foreign_form": "A form did not come from a page of this console in this session. Open the page here and send its form; behind a proxy that changes the host, set `console.base_url`.",
    "invalid_field": "A field of a form or address can't be read, is too long, or names what is not there. Go back and change it.",
    "provider_not_believed": "What the provider of OpenID Connect has answered can't be relied on; the server's log says why.",
    "provider_refused": "The provider of OpenID Connect does not sign this person in.",
    "provider_unavailable": "The provider of OpenID Connect does not answer. Meanwhile the admin token opens the console.",
    "unknown_input": "The configuration has no input of this name in the workspace. Go back to the setup.",
    "no_secret_key": "The server has no secret key under which it could seal a new secret; give it one (`secrets.key_file`).",
    "results_too_long": "The archive is too long to be handed over in the console. Fetch it with the workspace's key from its `results_url`.",
    "right_missing": "The visitor's roles may not do this; the page says which may.",
    "role_missing": "The provider knows the person, but none of the values of the claim is in `console.oidc.roles`.",
    "session_ended": "Who sent the form is not signed in any more. Sign in and send it again.",
    "alias_not_provisioned": "The workspace has no aliasing; set `settings: {alias: {provisioned: true}}` of it.",
    "batch_too_long": "The batch is longer than 128 KiB. Send its events in several.",
    "body_too_long": "The body is longer than 256 KiB, before or after decompression.",
    "credential_revoked": "The client of this token is no longer in the configuration. Ask for a token with one that is.",
    "device_application_stamp": "The stamp can't be modified in this scope; `modify_device_application_stamp` allows it.",
    "disconnected": "The client went away before its request was whole.",
    "duplicate_key": "An object of the body names a member twice.",
    "end_in_future": "The window ends more than five minutes ahead. Look at the clock that made `end_unixtime_ms`.",
    "already_undone": "The decision, or this identity of it, is taken back already. Take the taking back back to have it again.",
    "invalid_digest": "The value is no hexadecimal digest of the length that its encoding has.",
    "mpid_not_alone": "A privacy request names a profile by its MPID and also somebody else; `mpid` must be its only identity.",
    "not_undone_by_decision": "The decision is a correction of a value or of the rules, which are released or resolved.",
    "erased": "The profile was erased at the wish of whom it was about; or what a request did is no longer kept, so that it can't "
    "be taken back.",
    "alias_not_done": "The alias request has not been carried out yet; it can be taken back once it is.",
    "decision_changed_nothing": "The decision was captured and changed nothing, so there is nothing to take back.",
    "history_does_not_explain_profiles": "The log does not fold to what these profiles are. `knownas verify` names those that differ; "
    "nothing was changed.",
    "identity_not_in_decision": "The decision was not asked with this identity. Its receipt shows what it was asked with.",
    "invalid_as_of": "`as_of` is a time of RFC 3339 with an offset, such as 2026-05-03T12:00:00Z.",
    "invalid_policy": "The policy can't be one; `faults` names everything that is wrong with it, each with what is allowed.",
    "note_too_long": "What is said of why a policy is published has at most 500 characters.",
    "policy_outdated": "Somebody has published another version of this policy meanwhile. Look at it, and send `after_version` with its number.",
    "policy_needs_restart": "`settings.environment_pools` and `settings.toxic` decide what a server is started with. Change them in the configuration.",
    "invalid_time": "The time is not one of RFC 3339 with its offset, such as 2026-05-03T12:00:00Z.",
    "other_pools": "`settings.environment_pools` decides which pools there are, so another value can't be rehearsed.",
    "too_many_mpids": "A privacy request names more profiles by their MPIDs than one may; send several.",
    "too_many_identities": "A privacy request names more identities of a person than one may.",
    "too_many_jobs_wait": "Ten rehearsals, resolutions and checks wait already. Ask again when one of them is done.",
    "unknown_job": "No rehearsal, resolution or self-check has this id there, or it is so old that it has been forgotten.",
    "nobody_stays_out": "No erasure keeps this identity out of the scope, in this environment.",
    "invalid_preview": "`preview` is true or false.",
    "too_many_lines_to_fold": "More than 50,000 lines of the log, or batches of events, could have mattered: a value that very many share connects them.",
    "endpoint_not_explained": "Only identify, login, logout and search are explained.",
    "event_type_missing": "An event has no `event_type`.",
    "headers_too_long": "The headers are longer than 64 KiB in all.",
    "identity_type_not_immutable": "Profiles are resolved by immutable types of the scope only; the message names them.",
    "identity_type_twice": "Two spellings in one request name the same identity type, or two members give it different values.",
    "internal_error": "A fault of the server. Its log has more; please report it.",
    "invalid_attribute": "The name or value of a user attribute is too long, empty, or no scalar or list of scalars; the message says which.",
    "invalid_environment": "`environment` is neither `production` nor `development`.",
    "invalid_identity": "A value is empty, longer than 256 characters, or holds NUL or half of a surrogate pair.",
    "invalid_kind": "There is no such kind of line; `allowed` lists them.",
    "invalid_outcome": "There is no such outcome; `allowed` lists them.",
    "invalid_text": "The text that is searched for is too long.",
    "invalid_limit": "`limit` is no number in its range.",
    "invalid_member": "A member of the body is missing or of the wrong type; the message names it.",
    "invalid_mpid": "`mpid` is no signed 64-bit integer other than 0.",
    "invalid_parameter": "A query parameter is neither true nor false.",
    "invalid_previous_mpid": "`previous_mpid` is no 64-bit integer.",
    "invalid_seed": "The seed is not what this calculation type takes; the message says what it takes, or that the attribute can't be seeded.",
    "invalid_source_request_id": "`source_request_id` is longer than 256 characters or holds NUL; to ask for a batch it must not be empty.",
    "invalid_workspace": "Name the workspace by its id: `?workspace=100`.",
    "inverted_window": "`start_unixtime_ms` is not before `end_unixtime_ms`.",
    "malformed_after": "`after` is not the `next` that an earlier page answered.",
    "malformed_body": "The request for a token is neither JSON nor a form that can be read.",
    "malformed_decision_id": "A decision id has 32 lower-case hex digits.",
    "malformed_gzip": "The body is not what `Content-Encoding: gzip` says, is cut off, or something follows it.",
    "malformed_json": "The body is not JSON in UTF-8.",
    "malformed_mpid": "The MPID is no 64-bit integer other than 0.",
    "malformed_next": "`next` is not what an earlier page answered.",
    "malformed_query": "The query can't be read, or has more than 32 parameters.",
    "malformed_receipt_id": "A receipt id has 32 lower-case hex digits; it is the one in `X-Receipt-Id`.",
    "malformed_request_id": "A request id of an alias has 1 to 128 characters, and no NUL.",
    "malformed_token": "What stands in `Authorization` is no access token of this server, or the header stands there twice.",
    "method_not_allowed": "This path is asked with another method; the header `Allow` names it.",
    "missing_field": "A member of the alias request is missing; the message names it. MPIDs of 0 count as missing.",
    "modify_not_allowed": "The input has `allow_modify: false`.",
    "no_account_id": "The Platform API needs `?accountId=` with the id of one account.",
    "no_fields": "The Profile API returns what `?fields=` names, and it names nothing.",
    "no_token": "Send an access token: `Authorization: Bearer`. `POST /oauth/token` gives one.",
    "nobody_named": "Nobody is named: there is neither an MPID nor an identity.",
    "no_policy_then": "The scope had no policy yet at the time of `as_of`.",
    "not_found": "No profile can be returned, and the request makes none: a search, a read-only request, or an input that only updates. The receipt says why.",
    "not_started": "The server is starting or stopping. Try again in a moment.",
    "nothing_to_seed": "A user has neither calculated attributes nor user attributes.",
    "other_calculation_type": "The calculated attribute of this name has another `calculation_type`; the message names it.",
    "other_cutoff_date": "`cutoff_date` is not the `seeding.cutoff_date` of the configuration.",
    "overloaded": "More requests wait than the server keeps. Try again after `Retry-After`.",
    "query_too_long": "The query is longer than 2,048 bytes; all fields take 150.",
    "rate_limited": "The input, one of the identities, the workspace or the client is over its limit. Wait for `Retry-After` seconds.",
    "request_id_taken": "Another alias request has this `request_id`. Use a new one.",
    "role_not_allowed": "The credential has another role: `read_only` reads profiles, `admin` and `user` read the Platform API.",
    "same_mpid": "Source and destination of the alias are one profile.",
    "search_not_allowed": "The input has `allow_search: false`.",
    "seeded_twice": "One user has two seeds for the same calculated attribute.",
    "start_too_old": "The window reaches back further than the workspace's `alias.window_days`.",
    "strategy_without_alias": "The scope's strategy has no alias; `default`, `profile_conversion` and `profile_link` have.",
    "token_expired": "The token is older than eight hours. Ask for a new one.",
    "too_deep": "The body is nested too deep.",
    "too_many_aliases": "1,000 alias requests name one of these profiles, and no more are taken.",
    "too_many_batches": "A request has more than 100 batches. Send several.",
    "too_many_changes": "A modify has more than 100 changes.",
    "too_many_events": "A batch has more than 1,000 events. Send several.",
    "too_many_failures": "Ten wrong secrets for one client id. Wait for `Retry-After` seconds; tokens it has are not touched.",
    "too_many_seeds": "A user has more than 100 seeds, or more than 100 user attributes.",
    "too_many_users": "A request has more than 100 users. Send several.",
    "too_many_values": "A profile can come over with 1,000 values.",
    "two_environments": "Query and body, or two parameters, name both environments.",
    "unauthorised": "The bearer token is missing, or is not the admin token.",
    "unknown_account": "No account with this id has a workspace that the credential reaches.",
    "unknown_alias": "No alias was requested under this id.",
    "unknown_app": "No workspace of the account that the credential reaches has this id.",
    "unknown_audience": "A token is asked for with another `audience` than `https://api.mparticle.com` or this server's address. Look which server you ask.",
    "unknown_batch": "No batch has this receipt id, or it was forgotten by now; see `retention.requests_days`.",
    "unknown_calculated_attribute": "The workspace has no calculated attribute of this name, or of this id.",
    "unknown_decision": "No decision has this id, or it changed nothing and has been forgotten.",
    "unknown_draft": "A calculated attribute is defined by the configuration, and never has a draft.",
    "unknown_encoding": "The body is encoded in another way than gzip.",
    "unknown_environment": "`environment` is neither `production` nor `development`.",
    "unknown_toxic_value": "The list of toxic values has no such place in this scope and environment. Begin at the list.",
    "unknown_feed": "No workspace that the credential reaches has a feed of this name or module.",
    "unknown_field": "`fields` names something that profiles don't have; the message says what there is.",
    "unknown_identity_type": "A name is no identity type; see [identity types](identity-types.md).",
    "unknown_object": "There are no services, audiences or users yet, so none has this name.",
    "unknown_path": "There is nothing at this path.",
    "unknown_platform": "The workspace has no input of this platform.",
    "unknown_profile": "No profile has this MPID; for the Profile API: none of this workspace's scope and environment is meant.",
    "unknown_scope": "The configuration has no scope of this name.",
    "unknown_service": "There are no services yet, so none has this name.",
    "unknown_workspace": "No workspace has this id, or none of the account that the credential reaches.",
    "unsupported_grant_type": "The one `grant_type` is `client_credentials`.",
    "workspace_not_allowed": "The credential does not reach a workspace with these ids; see `workspaces` of the credential.",
    "wrong_client": "No credential has this client id and secret.",
    "wrong_token_audience": "The token is meant for another server.",
    "wrong_token_signature": "The token was not signed by this server, or its signing key is gone. Ask for a new one.",
    "callback_not_allowed": "The server does not call one of the `status_callback_urls`: `privacy.callbacks` of the configuration says which origins it calls.",
    "identity_not_extended": "The type is one of those that stand in the extension `opendsr.mparticle.com`.",
    "invalid_callback": "A status_callback_url is no http or https URL, has a user in it, or is too long.",
    "invalid_extension": "What stands in `extensions.opendsr.mparticle.com` has another form; the message says where.",
    "invalid_group": "`group_id` has 1 to 256 characters, and a list is asked for by one.",
    "invalid_request_id": "`subject_request_id` must be a version 4 UUID in lower case.",
    "invalid_skip_waiting_period": "`skip_waiting_period` is true or false.",
    "invalid_submitted_time": "`submitted_time` is a time of RFC 3339 with an offset.",
    "no_results": "The request is not completed, is an erasure, or nobody was found.",
    "request_exists": "A request with this `subject_request_id` was taken before; ask for its status.",
    "request_in_progress": "A request for the same of the same person has not ended; wait for it, or cancel it.",
    "request_not_pending": "The request is carried out, completed or cancelled already.",
    "fetched_too_often": "The results of a request were fetched as often as they may be. Send a new request.",
    "results_expired": "Results can be fetched for seven days after completion. Send a new request.",
    "several_mpids": "A request of the third version reaches one profile; send one for each MPID, or one of the second.",
    "too_many_callbacks": "A request may name ten URLs.",
    "too_many_deletions": "A request may name 100 profiles; send several.",
    "unknown_request": "The workspace whose key was sent has no request with this id; it may have ended a year ago.",
    "invalid_anchor": "`anchor` is the number of an entry of the chain of evidence, such as an anchor names it.",
    "invalid_format": "`format` is `json` or `pdf`.",
    "not_certified": "No request of a data subject with this id has ended; there is a certificate when one has.",
    "too_many_entries": "The request has more entries than a certificate can have. `knownas evidence` writes out the whole chain.",
}

BATCHES: Final = """\
A batch that can't be attributed, or that stands in a bulk request or comes from the web SDK, is answered 202, and its receipt
says `refused`. These reasons can stand there; the [how-to](../how-to/send-events.md) says how to ask for it."""

KEPT_AS_REFUSED: Final[Mapping[str, str]] = {
    "mpid_missing": "A batch of the web SDK has no `mpid`, and the input has no `allow_key_only`: a public key alone does not "
    "say who somebody is.",
    "no_event_time": "An event of a historical batch has no `timestamp_unixtime_ms`.",
    "no_events": "A historical batch has no events.",
    "no_identities": "The batch names no user: no `mpid`, and no identity that the scope knows.",
    "not_found": "No profile may answer for these identities, and the input makes none (`protection_level`).",
    "too_young": "An event of a historical batch is younger than 72 hours. Send it as any other event.",
    "unknown_mpid": "There is no profile of this MPID in the input's scope and environment.",
}
"""Reasons that only a receipt has, or that mean something else there."""

BATCH_REASONS: Final = (
    "batch_too_long",
    "duplicate_key",
    "empty_record",
    "erased",
    "event_type_missing",
    "identity_type_twice",
    "invalid_environment",
    "invalid_member",
    "invalid_mpid",
    "invalid_source_request_id",
    "malformed_gzip",
    "malformed_json",
    "mpid_missing",
    "no_event_time",
    "no_events",
    "no_identities",
    "not_found",
    "too_deep",
    "too_many_events",
    "too_young",
    "unknown_mpid",
)

ALIASES: Final = """\
An accepted alias request that can't be carried out when it is due is `rejected`; `GET /api/aliases/{request_id}` tells the
reason."""

ALIAS_HELP: Final[Mapping[str, str]] = {
    "overlapping_window": "Ask for the rest of the time only.",
    "source_was_destination": "Alias the first source to the new destination.",
    "destination_was_source": "Alias to the profile that took its events.",
    "profile_gone": "",
    "too_many_events": "",
}

OAUTH: Final = "`POST /oauth/token` puts the word of OAuth 2 into `error`, and our reason into `reason`."

OAUTH_ERRORS: Final[Mapping[str, str]] = {
    "invalid_client": "Client id and secret don't fit.",
    "invalid_request": "The request can't be read, or a member is missing.",
    "invalid_target": "The `audience` is another server's.",
    "server_error": "A fault of the server. Its log has more; please report it.",
    "too_many_attempts": "Too many wrong secrets; ours, OAuth has no word for it.",
    "unsupported_grant_type": "The `grant_type` is not `client_credentials`.",
}

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

ANSWERED_ELSEWHERE: Final[Mapping[str, str]] = {
    "console_off": "Console 403",
    "foreign_form": "Console 403",
    "invalid_field": "Console 400",
    "method_not_allowed": "everywhere 405",
    "provider_not_believed": "Console 502",
    "provider_refused": "Console 403",
    "provider_unavailable": "Console 502",
    "unknown_input": "Console 404",
    "unknown_toxic_value": "Console 404",
    "no_secret_key": "Console 409",
    "results_too_long": "Console 413",
    "right_missing": "Console 403",
    "role_missing": "Console 403",
    "session_ended": "Console 401",
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
    "unknown_outcome": "The store did not say in time whether the change was kept. The same request may be sent again: it finds what was kept.",
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
