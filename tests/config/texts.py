"""Configuration files that several tests read."""

from collections.abc import Mapping

from knownas.config.faults import Fault, InvalidConfiguration
from knownas.config.reader import read_configuration
from knownas.config.values import Configuration

DESIGN_EXAMPLE = """\
database: sqlite:///knownas.db            # or postgresql://user@host/db
admin_token: change-me                     # bearer token of /api; ${ENV_VAR} works in every value
scopes:
- name: shop
  strategy: profile_conversion             # default | profile_conversion | profile_link | profile_isolation | best_match
  priority: [customerid, email, ios_idfv, device_application_stamp]
  login_ids: [customerid]
  unique_ids: [customerid]
  immutable_ids: [customerid]
  settings: {implicit_das: true, max_age_seconds: 86400, capture: changes}
organization:
  id: 1
  name: Acme
  accounts:
  - id: 10
    name: Retail
    workspaces:
    - id: 100
      name: Web shop
      scope: shop
      key: ws-key                          # workspace credentials: privacy requests, seeding
      secret: ws-secret
      inputs:
      - {name: web, platform: web, key: web-key, secret: web-secret, allow_key_only: true}
      - {name: crm, feed: custom, key: crm-key, secret: crm-secret, protection_level: only_update_profiles}
      settings: {alias: {provisioned: true, delay_hours: 24}}
credentials:                               # OAuth clients for Profile and Platform APIs
- {client_id: personalisation, client_secret: s3cret, role: read_only, workspaces: [100]}
"""
"""The example of the contract, to the letter."""


def read(text: str, environment: Mapping[str, str] | None = None) -> Configuration:
    """Read a text that must be valid."""
    result = read_configuration(text, environment=environment or {})
    assert isinstance(result, Configuration), str(result)
    return result


def faults_of(text: str, environment: Mapping[str, str] | None = None) -> tuple[Fault, ...]:
    """Read a text that must not be valid."""
    result = read_configuration(text, environment=environment or {})
    assert isinstance(result, InvalidConfiguration)
    return result.faults


def scope(body: str = "") -> str:
    """Return a file with one scope; the lines of `body` start in line 3."""
    return f"scopes:\n- name: shop\n{indented(body, 2)}"


def workspace(body: str = "") -> str:
    """Return a file with one workspace; the lines of `body` start in line 8."""
    return (
        "organization:\n  accounts:\n  - id: 10\n    workspaces:\n"
        f"    - id: 100\n      key: ws-key\n      secret: ws-secret\n{indented(body, 6)}"
    )


def web_input(body: str = "") -> str:
    """Return a file with one input; the lines of `body` start in line 13."""
    return workspace(
        f"inputs:\n- name: web\n  platform: web\n  key: web-key\n  secret: web-secret\n{indented(body, 2)}"
    )


def indented(body: str, spaces: int) -> str:
    """Indent the lines of a text."""
    return "".join(f"{' ' * spaces}{line}\n" for line in body.splitlines())
