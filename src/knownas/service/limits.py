"""Names every limit of the service: queues, batches, retries, memories and waits."""

from typing import Final

BATCH_MAX: Final = 256
"""Requests decided together, with one read, one write and one commit."""

WAITING_MAX: Final = 10_000
"""Requests that may wait for their batch; a further one is told to come back (503)."""

REQUEST_SECONDS: Final = 5.0
"""How long a request may wait for its answer, counted from when it has come in whole. Then it is told that there is none:
`store_unavailable` if nothing was changed, `unknown_outcome` if the database has not said."""

LONG_REQUEST_SECONDS: Final = 30.0
"""The same for a request that looks through everything that is kept, as what can be removed by now is counted."""

SWEEP_SECONDS: Final = 0.02
"""The least time between two looks at whose time is up."""

COMMIT_ATTEMPTS_MAX: Final = 50
"""Times a batch is decided again because another process was faster."""

LINES_FOLDED_MAX: Final = 50_000
"""Lines of the log that are folded at once where a decision is taken back, or a time is asked about: a few seconds' work."""

GATHERED_ANEW_MAX: Final = 8
"""Times that lines of a past moment are gathered, each time by way of values that turned out to count then; the last by way of
all."""

CORRECTION_ATTEMPTS_MAX: Final = 20
"""Times a history is corrected again because something was written meanwhile."""

RESOLUTION_PASSES_MAX: Final = 20
"""Times that the log of a scope is folded again to find what is left to resolve, while others write."""

RESOLUTION_TOLD_MAX: Final = 100
"""Components that a resolution names of those that it leaves as they are, of each kind."""

RESOLUTION_WAIT_SECONDS: Final = 1.0
"""How long a resolution waits where others were faster every time, or too many wait."""

JOBS_KEPT_MAX: Final = 40
"""Rehearsals and resolutions that are remembered with their reports; the oldest that is over is forgotten for a new one."""

JOBS_WAITING_MAX: Final = 10
"""Rehearsals and resolutions that may wait for their turn; a further one is refused (409)."""

JOB_ATTEMPTS_MAX: Final = 3
"""Times that a job is begun whose process ends, or whose store does not answer, before it counts as failed."""

JOB_LOOK_SECONDS: Final = 5.0
"""How often a process looks for jobs that others have left, or have been asked for elsewhere."""

JOB_TELL_SECONDS: Final = 2.0
"""How often it is written down how far a job is."""

JOB_TURN_MS: Final = 30_000
"""How long after its last sign of life a process counts as gone, and its job is taken by another one."""

REWRITE_ATTEMPTS_MAX: Final = 50
"""Times that a small document of the servers is made anew because another process was faster."""

CORRECTION_ATTEMPTS_OPEN: Final = 3
"""Of these, so many during which batches of events go on being kept; during the others they wait."""

RETRY_PAUSE_SECONDS: Final = 0.002
RETRY_PAUSE_SECONDS_MAX: Final = 0.1
"""The pause before a retry: random up to the first, doubled each time, never more than the second."""

LOOKS_WAITING_MAX: Final = 100
"""Receipts and explanations that may wait to see records; a further one is told to come back (503)."""

IN_BETWEEN_WAITING_MAX: Final = 20
"""Decisions that may wait to be taken back; a further one is told to come back (503). Every batch waits for each of them."""

LATER_LINES_READ_MAX: Final = 100_000
LATER_LINES_SECONDS: Final = 2.0
"""Lines after a decision that are searched for values lost since, to say what would have been answered, and for how long."""

PROFILES_RECOLLECTED_MAX: Final = 400
"""Profiles rebuilt as they were when a decision was made, to say what would have been answered."""

HISTORY_LINES_RECOLLECTED_MAX: Final = 20_000
"""Lines read of the histories of all those profiles together."""

RECENT_DECISIONS_MAX: Final = 4_800
"""Decisions that changed nothing, kept in memory so that they can be looked up for a while: seven eighths of them always, which is more than
a live stream has lines. One takes 2 KiB."""

ACTIVITY_MAX: Final = 200_000
"""Profiles whose last visit is known to the second; the store's knowledge is as old as the next limit."""

ACTIVITY_RESOLUTION_MS: Final = 3_600_000
"""A visit that changes nothing is written down, behind the answer, when the stored one is this much older."""

TOUCHES_A_FLUSH_MAX: Final = 200
"""Visits written down in one transaction; whoever asks meanwhile waits for it."""

TOUCHES_WAITING_MAX: Final = 50_000
"""Visits that wait to be written down; of further ones only this process knows."""

CAPTURED_A_FLUSH_MAX: Final = 500
"""Captured observations written down in one transaction; whoever asks meanwhile waits for it."""

CAPTURED_WAITING_MAX: Final = 50_000
"""Captured observations that wait for a store which takes no writes; further ones are not captured, with a warning."""

FLUSH_AFTER_SECONDS: Final = 0.2
"""How long activities and captured observations may wait to be written in a group."""

STORY_LINES_MAX: Final = 10_000
"""Lines of the log about one profile that are read at once to tell its story, and to say whether a decision still counts."""

NEIGHBOURS_MAX: Final = 200
"""Profiles and identities around a person that are shown as a graph."""

NEIGHBOURS_OF_VALUE_MAX: Final = 24
"""Profiles shown of those that share one value with a person; of further ones it is said how many there are."""

NEIGHBOURS_COUNTED_MAX: Final = 1_000
"""Profiles that share one value which are counted; of more it is said that there are more."""

DIFFERENCES_TOLD_MAX: Final = 100
"""Profiles of which a correction tells what they would gain and lose; of more it is said how many there are."""

PAGE_MAX: Final = 1_000
PAGE_DEFAULT: Final = 100
"""Items in one page of a list."""

BATCHES_SORTED_MAX: Final = 50_000
BATCH_BYTES_SORTED_MAX: Final = 64 * 1024 * 1024
"""Kept batches of events that are sorted anew by one correction, and their size: a few seconds' work."""

PROFILES_A_READ_MAX: Final = 500
"""Profiles whose kept batches are read by one statement."""

PROFILES_ALIASED_MAX: Final = 10_000
"""Profiles that alias requests tie to those of a correction, and that are looked at with them."""

MOVES_TOLD_MAX: Final = 1_000
"""Moves of user data, and sections of which something stayed, that the answer to a correction names; of more it says so."""

KEEPING_OUT_LOOK_SECONDS: Final = 2.0
"""How often a process looks whether others have erased somebody who is to stay out."""

KEEPING_OUT_TELL_SECONDS: Final = 60.0
"""How often the evidence is told how many were turned away, if any were."""

SUPPRESSIONS_A_READ: Final = 10_000
"""Digests of people who are to stay out that are read by one statement."""

EVIDENCE_ATTEMPTS_MAX: Final = 50
"""Times that the chain of evidence is continued again because another process was faster."""

EVIDENCE_OF_REQUEST_MAX: Final = 1_000
"""Entries of one request that are shown: an erasure writes a few dozen."""

EVIDENCE_FAULTS_MAX: Final = 100
"""Faults of a file of evidence that are named; of more it is said that there are."""

EVIDENCE_CHECKED_MAX: Final = 100_000
"""Entries of the chain of evidence that a running server checks at once: some seconds' work."""

ARRIVALS_LOOK_SECONDS: Final = 2.0
"""The pause between two looks at whether something came through an input that is to be written down."""

ARRIVALS_KEPT_AGAIN_MS: Final = 60_000
"""How old what was written of the last thing of an input gets before it is written again."""

DESK_OPEN_MAX: Final = 1_000
"""Open requests of data subjects that are shown in the order in which they are urgent."""

DESK_LOOKED_THROUGH_MAX: Final = 5_000
"""Requests of data subjects that are looked through for one page of those that somebody wants to see."""

AUDIT_LOOKED_THROUGH_MAX: Final = 20_000
"""Rows of who read what that are looked through for one page of those of one reader."""

KEPT_OUT_COUNTED_MAX: Final = 10_000
"""Identities that are kept out that are counted; of more it is said that there are at least so many."""

EVIDENCE_LINE_BYTES_MAX: Final = 262_144
"""Bytes of one line of an exported chain; the longest entry that can be is half of it."""

CERTIFICATE_BYTES_MAX: Final = 64 * 1024 * 1024
"""Bytes of a certificate of a request, as JSON or PDF: a thousand entries, the longest there can be, and their links."""

ANCHORS_MAX: Final = 100_000
"""Anchors that a file of evidence is held against: one an hour for eleven years."""

IDENTITIES_TRACED_MAX: Final = 10_000
HAPPENINGS_TRACED_MAX: Final = 50_000
"""Identities of one profile that are followed for an answer to the person, and what happened to them all together."""

SUBJECT_LINES_READ_MAX: Final = 100
"""Lines that name a value without its profile being found by it, read to see whose it is; of more it counts as anybody's."""

ACCESS_BATCHES_A_READ: Final = 50
ACCESS_LINES_A_READ: Final = 50
"""Kept batches of events, and lines of the log, that are read and told at once for the answer to a data subject: others are
answered in between."""

ACCESS_BATCHES_A_FILE: Final = 10_000
"""Batches of events in one file of such an answer."""

ACCESS_SHOWN_MAX: Final = 200
"""Decisions, recipients and batches of events that the page for people shows; the files have all."""

COPIES_TOLD_MAX: Final = 1_000
RECIPIENTS_TOLD_MAX: Final = 10_000
"""Copies of events, and readers a day, that such an answer tells."""

RESULTS_FETCHES_MAX: Final = 100
"""Times that the results of one request can be fetched: each is told in the evidence."""

LINES_COUNTED_MAX: Final = 100_000
"""Lines of the log about one profile that are counted, to say how much there is; of more it says so."""

READINGS_COUNTED_MAX: Final = 10_000
"""Rows of the audit that are counted, to say how often a profile was read; of more it says so."""

SHARERS_COUNTED_MAX: Final = 1_000
"""Profiles that have an identity in common with a person, counted for each identity; of more it says so."""

LEDGER_LOOK_SECONDS: Final = 5.0
"""How often the ledger of erasures is brought up to the evidence, where no erasure does that."""

LEDGER_ENTRIES_A_STEP: Final = 500
"""Entries of the evidence that are appended to the ledger at once, with the requests that they are about."""

HOLDERS_RELIEVED_A_STEP: Final = 1_000
"""Profiles that hold an erased person's identity after a restore, of which it is taken at once."""

ERASED_A_STEP: Final = 500
"""Things of a person that one transaction of an erasure removes; whoever writes meanwhile waits for it."""

REDACTED_A_STEP: Final = 200
"""Lines of the log that one transaction of an erasure rewrites."""

OWN_IDENTITIES_MAX: Final = 20_000
"""Identities that were ever a person's, as far as an erasure follows them; beyond, it stays in progress and says so."""

ERASURE_PROFILES_MAX: Final = 10_000
"""Profiles whose histories an erasure looks through, because a line about the person's identities is about them."""

ERASURE_LINES_MAX: Final = 2_000_000
"""Lines of the log that an erasure reads; beyond, it stays in progress and says so."""

ERASURE_SETTLES_MS: Final = 30_000
"""How long after a profile was emptied other processes may still write what they had decided before: then an erasure looks again."""

ERASURE_AWAITS_OUTPUTS_MS: Final = 24 * 60 * 60 * 1000
"""How long an erasure waits for outputs to be told that the person has left; one that does not take it by then is not told."""

OUTPUTS_LOOK_MS: Final = 2_000
"""The pause between two looks whether outputs were told."""

ERASURE_AWAITS_JOB_MS: Final = 10_000
"""How long until an erasure looks again whether a job has ended that may have read what is erased, and may report it yet."""

SCRUB_AGAIN_MS: Final = 60_000
"""How long an erasure waits where somebody keeps the database from overwriting free space."""

SCRUB_QUICK_MS: Final = 1_000
SCRUB_RESTS_TIMES: Final = 19
"""Where overwriting free space takes longer than the first, it is not done again for so many times as long as it took: a
twentieth of the time at most goes into it."""

SCRUBS_MAX: Final = 60
"""Times that it is tried; then the evidence says that it was not done."""

SEARCHED_AGAIN_MAX: Final = 200
"""Identities by which an erased person is searched for again, one by one; of further ones, only the log is looked at."""

POLICY_LOOK_SECONDS: Final = 2.0
"""The pause between two looks for policies that another server has published."""

POLICY_VERSIONS_SHOWN_MAX: Final = 100
"""Versions of a scope's policy that are shown, the newest ones."""

POLICY_NOTE_CHARACTERS_MAX: Final = 500
"""Characters of what somebody says of why they publish a policy."""
