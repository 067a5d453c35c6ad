"""Knows the calculated attributes of every workspace, and shows their values (platform §8)."""

from collections.abc import Mapping
from types import MappingProxyType

from knownas.config.values import Configuration
from knownas.core.profile.calculated import WorkspaceCalculations
from knownas.core.profile.section import Section


def calculations_of(configuration: Configuration) -> Mapping[int, WorkspaceCalculations]:
    """Return the calculations by workspace id, of those workspaces that have any."""
    return MappingProxyType(
        {
            workspace.id: WorkspaceCalculations(workspace.calculated_attributes)
            for workspace in configuration.workspaces()
            if workspace.calculated_attributes
        }
    )


def calculated_values(
    calculations: Mapping[int, WorkspaceCalculations], workspace: int, section: Section | None, now_ms: int
) -> Mapping[str, str | list[str]]:
    """Return what a workspace has computed of a user by now, by attribute; nothing for a user it has not seen."""
    own = calculations.get(workspace)
    return {} if own is None or section is None else own.shown(section.calculated, now_ms)
