"""Writes what has to be copied into an app to connect it: a few lines for each official SDK, with this server's address and the input's key.

No secret stands in any of them. The names of the SDKs' options are the vendor's; its documentation has the last word.
"""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from knownas.config.values import Input, InputPlatform

SECRET: Final = "the secret of this input"  # noqa: S105 - says what belongs there
"""Stands where the secret belongs."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """Something to copy: its id, for whom it is, what to do with it, and the lines; `note` is what else has to be known."""

    id: str
    title: str
    advice: str
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Where data is to be sent: this server's address, without a slash at its end, and a key that opens now."""

    address: str
    key: str
    needs_secret: bool

    @property
    def host(self) -> str:
        """The host of the address, with its port."""
        return urlsplit(self.address).netloc

    @property
    def is_secure(self) -> bool:
        """Whether it is reached by HTTPS, as the SDKs of browsers and phones do."""
        return urlsplit(self.address).scheme == "https"


_OWN: Final[Mapping[InputPlatform, str]] = {
    InputPlatform.WEB: "web",
    InputPlatform.IOS: "ios",
    InputPlatform.TVOS: "ios",
    InputPlatform.ANDROID: "android",
    InputPlatform.FIRE: "android",
    InputPlatform.ROKU: "roku",
}


def snippets(one: Input, target: Target) -> Sequence[Snippet]:
    """Return all snippets, those that fit the input best first: to try it, then its own SDK, then the others."""
    made = [
        *(_first_request(target), _web(target), _ios(target), _android(target)),
        *(_roku(target), _python(target), _node(target), _events(target)),
    ]
    own = "events" if one.platform is None else _OWN.get(one.platform, "")
    return sorted(made, key=lambda snippet: (snippet.id != "identify", snippet.id != own))


def _credentials(target: Target) -> str:
    if not target.needs_secret:
        return f"-H {shlex.quote(f'x-mp-key: {target.key}')}"
    return f'-u {shlex.quote(f"{target.key}:")}"$SECRET"'


def _secret_line(target: Target) -> str:
    return "read -rs -p 'Secret of the input: ' SECRET\n" if target.needs_secret else ""


def _first_request(target: Target) -> Snippet:
    body = json.dumps({"environment": "development", "known_identities": {"customerid": "try-1"}})
    text = (
        f"{_secret_line(target)}curl -sS -w '\\n' {_credentials(target)} {target.address}/v1/identify \\\n"
        f"  -d {shlex.quote(body)}"
    )
    return Snippet(
        "identify", "Try it: one request", "Run it in a terminal: one person, in the development environment.", text
    )


_HTTPS: Final = "This SDK always asks by HTTPS, and this server is reached without. Configure HTTPS first."


def _web(target: Target) -> Snippet:
    config = f'  domain: "{target.host}",\n      userAudienceUrl: "{target.host}/v1/",\n      requestConfig: true,'
    text = (
        "<script>\n  window.mParticle = {\n    config: {\n    "
        f"{config}\n      isDevelopmentMode: true\n    }}\n  }};\n</script>\n"
        f'<!-- then the snippet that loads the SDK, with "{target.key}" as its key -->'
    )
    advice = "Put it into the head of each page, before the SDK is loaded. Take isDevelopmentMode out for production."
    return Snippet("web", "Web SDK", advice, text, "" if target.is_secure else _HTTPS)


def _ios(target: Target) -> Snippet:
    text = (
        f'let options = MParticleOptions(key: "{target.key}", secret: "{SECRET}")\n'
        "options.networkOptions = MPNetworkOptions()\n"
        f'options.networkOptions?.identityHost = "{target.host}"\n'
        "MParticle.sharedInstance().start(with: options)"
    )
    note = "" if target.is_secure else _HTTPS
    return Snippet("ios", "iOS and tvOS SDK", "In the app's delegate, where the SDK starts.", text, _pinned(note))


def _android(target: Target) -> Snippet:
    text = (
        f'val identity = DomainMapping.identityMapping("{target.host}").build()\n'
        "val options = MParticleOptions.builder(this)\n"
        f'    .credentials("{target.key}", "{SECRET}")\n'
        "    .networkOptions(NetworkOptions.builder().addDomainMapping(identity).build())\n"
        "    .build()\n"
        "MParticle.start(options)"
    )
    note = "" if target.is_secure else _HTTPS
    return Snippet("android", "Android SDK", "In onCreate of the application.", text, _pinned(note))


def _pinned(note: str) -> str:
    pinning = (
        "The SDK trusts the vendor's certificates only: give it yours, or switch pinning off in the network options."
    )
    return f"{note} {pinning}".strip()


def _roku(target: Target) -> Snippet:
    text = (
        f"sed -i 's#https://identity\\.mparticle\\.com/#{target.address}/#' source/mparticle/mParticleCore.brs\n\n"
        "' in main.brs\n"
        "options = {}\n"
        f'options.apiKey = "{target.key}"\n'
        f'options.apiSecret = "{SECRET}"\n'
        "options.enablePinning = false"
    )
    advice = "The SDK has no setting for its host: change the address in its source, then start it with these options."
    return Snippet("roku", "Roku SDK", advice, text)


def _python(target: Target) -> Snippet:
    text = (
        "import os\n\nimport mparticle\n\n"
        "configuration = mparticle.Configuration()\n"
        f'configuration.host = "{target.address}/v2"\n'
        f'configuration.api_key = "{target.key}"\n'
        'configuration.api_secret = os.environ["SECRET"]\n\n'
        "batch = mparticle.Batch()\n"
        'batch.environment = "development"\n'
        "batch.user_identities = mparticle.UserIdentities()\n"
        'batch.user_identities.customerid = "try-1"\n'
        'batch.events = [mparticle.AppEvent("First", "other")]\n'
        "mparticle.EventsApi(configuration).upload_events(batch)"
    )
    return Snippet("python", "Python SDK", "pip install mparticle, and the secret in the environment as SECRET.", text)


def _node(target: Target) -> Snippet:
    text = (
        'const mParticle = require("mparticle");\n\n'
        "const client = new mParticle.ApiClient();\n"
        f'client.basePath = "{target.address}/v2";\n'
        f'const configuration = new mParticle.Configuration("{target.key}", process.env.SECRET);\n'
        "const api = new mParticle.EventsApi(configuration, client);\n\n"
        "const batch = new mParticle.Batch(mParticle.Batch.Environment.development);\n"
        "batch.user_identities = new mParticle.UserIdentities();\n"
        'batch.user_identities.customerid = "try-1";\n'
        'batch.addEvent(new mParticle.AppEvent(mParticle.AppEvent.CustomEventType.other, "First"));\n'
        'api.uploadEvents(batch, (error) => console.log(error || "sent"));'
    )
    return Snippet("node", "Node SDK", "npm install mparticle, and the secret in the environment as SECRET.", text)


def _events(target: Target) -> Snippet:
    batch = {
        "environment": "development",
        "user_identities": {"customer_id": "try-1"},
        "events": [{"event_type": "custom_event", "data": {"event_name": "First", "custom_event_type": "other"}}],
    }
    text = (
        "read -rs -p 'Secret of the input: ' SECRET\n"
        f"curl -sS -u {shlex.quote(f'{target.key}:')}\"$SECRET\" -w '%{{http_code}}\\n' {target.address}/v2/events \\\n"
        f"  -d {shlex.quote(json.dumps(batch))}"
    )
    return Snippet(
        "events",
        "Events API",
        "Run it in a terminal, or send the same from any server: 202 says that it is kept.",
        text,
    )
