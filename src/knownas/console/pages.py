"""Lists every page of the console but those to sign in: a page that is not here is not served."""

from typing import Final

from knownas.console.home import PAGES as HOME
from knownas.console.page import Page

PAGES: Final[tuple[Page, ...]] = (*HOME,)
