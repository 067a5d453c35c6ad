"""Renders templates: what stands in a page is text unless a template says otherwise, and a name that is not there is a fault."""

from collections.abc import Mapping
from typing import Any, Final, cast

from jinja2 import Environment, PackageLoader, StrictUndefined

from knownas.console.assets import Assets
from knownas.console.charts import number_text
from knownas.console.limits import FIELD_CHARACTERS_MAX
from knownas.console.moments import moment
from knownas.console.rights import Right

_KEPT_COMPILED: Final = 200


class Rendering:
    """The templates of the console, compiled when they are first used."""

    def __init__(self, assets: Assets) -> None:
        self._environment = Environment(
            loader=PackageLoader("knownas.console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=_KEPT_COMPILED,
        )
        shared = cast("dict[str, Any]", self._environment.globals)  # pyright: ignore[reportUnknownMemberType]
        shared |= {
            "asset": assets.address,
            "moment": moment,
            "number": number_text,
            "Right": Right,
            "field_characters": FIELD_CHARACTERS_MAX,
        }

    @property
    def names(self) -> list[str]:
        """The names of all templates."""
        return self._environment.list_templates()

    def render(self, template: str, values: Mapping[str, Any]) -> bytes:
        """Return a page.

        Raises:
            jinja2.TemplateError: the template has a fault, or asks for a name that is not among the values.
        """
        # Half of a surrogate pair, which only a fault of ours lets in, must not take the page with it.
        return self._environment.get_template(template).render(values).encode("utf-8", "replace")
