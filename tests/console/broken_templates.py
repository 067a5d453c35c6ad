"""Renders the console with a template that takes everything as mark-up, which a test of escaping must find."""

import re

from jinja2 import FunctionLoader, PackageLoader

from knownas.console.assets import Assets
from knownas.console.rendering import Rendering


def with_broken(broken: str) -> type[Rendering]:
    """Return the templates of the console, in one of which `safe` is said of all that stands in it."""

    class Broken(Rendering):
        def __init__(self, assets: Assets) -> None:
            super().__init__(assets)
            whole = self._environment.loader
            assert isinstance(whole, PackageLoader)

            def source(name: str) -> str:
                text, _, _ = whole.get_source(self._environment, name)
                return re.sub(r"\{\{(.*?)\}\}", r"{{ (\1) | safe }}", text, flags=re.DOTALL) if name == broken else text

            self._environment.loader = FunctionLoader(source)

    return Broken
