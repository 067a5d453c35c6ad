"""Lists every page of the console but those to sign in: a page that is not here is not served."""

from typing import Final

from knownas.console.audience_editing import PAGES as AUDIENCE_EDITING
from knownas.console.audiences import PAGES as AUDIENCES
from knownas.console.batch import PAGES as BATCH
from knownas.console.connecting import PAGES as CONNECTING
from knownas.console.deliveries import PAGES as DELIVERIES
from knownas.console.graph import PAGES as GRAPH
from knownas.console.health import PAGES as HEALTH
from knownas.console.home import PAGES as HOME
from knownas.console.live import PAGES as LIVE
from knownas.console.outputs import PAGES as OUTPUTS
from knownas.console.page import Page
from knownas.console.people import PAGES as PEOPLE
from knownas.console.policies import PAGES as POLICIES
from knownas.console.policy_workshop import PAGES as POLICY_WORKSHOP
from knownas.console.privacy_asking import PAGES as PRIVACY_ASKING
from knownas.console.privacy_desk import PAGES as PRIVACY_DESK
from knownas.console.privacy_evidence import PAGES as PRIVACY_EVIDENCE
from knownas.console.privacy_looks import PAGES as PRIVACY_LOOKS
from knownas.console.profile import PAGES as PROFILE
from knownas.console.profile_attributes import PAGES as PROFILE_ATTRIBUTES
from knownas.console.profile_events import PAGES as PROFILE_EVENTS
from knownas.console.receipt import PAGES as RECEIPT
from knownas.console.rehearsals import PAGES as REHEARSALS
from knownas.console.resolutions import PAGES as RESOLUTIONS
from knownas.console.self_checks import PAGES as SELF_CHECKS
from knownas.console.setup import PAGES as SETUP
from knownas.console.story import PAGES as STORY
from knownas.console.toxic_judging import PAGES as TOXIC_JUDGING
from knownas.console.toxic_values import PAGES as TOXIC_VALUES
from knownas.console.undoing import PAGES as UNDOING

PAGES: Final[tuple[Page, ...]] = (
    *HOME,
    *PEOPLE,
    *PROFILE,
    *PROFILE_ATTRIBUTES,
    *PROFILE_EVENTS,
    *GRAPH,
    *STORY,
    *RECEIPT,
    *UNDOING,
    *HEALTH,
    *SELF_CHECKS,
    *TOXIC_JUDGING,
    *TOXIC_VALUES,
    *LIVE,
    *BATCH,
    *PRIVACY_DESK,
    *PRIVACY_ASKING,
    *PRIVACY_EVIDENCE,
    *PRIVACY_LOOKS,
    *POLICIES,
    *POLICY_WORKSHOP,
    *REHEARSALS,
    *RESOLUTIONS,
    *SETUP,
    *AUDIENCE_EDITING,
    *AUDIENCES,
    *CONNECTING,
    *DELIVERIES,
    *OUTPUTS,
)
