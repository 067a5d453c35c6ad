"""Writes what a batch says of the device and the app as the runtime environment of the partner protocol."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from knownas.outputs.firehose.identities import Identities
from knownas.outputs.firehose.members import Members, boolean, integer, mapping, present, text
from knownas.outputs.firehose.registration import Registration

_TYPES: Final[Mapping[str, str]] = {
    "android": "android",
    "ios": "ios",
    "tvos": "tvos",
    "web": "mobileweb",
    "roku": "roku",
    "xbox": "xbox",
    "fire_tv": "firetv",
    "alexa": "alexa",
    "smart_tv": "smarttv",
}
"""The environment of each platform. What has none there, such as a server or a desktop, is `unknown`."""

UNKNOWN: Final = "unknown"

Reads = Callable[[object], object]
_DEVICE: Final[Mapping[str, tuple[str, Reads]]] = {
    "build_id": ("build_identifier", text),
    "brand": ("brand", text),
    "product": ("product", text),
    "name": ("device", text),
    "manufacturer": ("device_manufacturer", text),
    "os_version": ("os_version", text),
    "model": ("device_model", text),
    "screen_height": ("screen_height", integer),
    "screen_width": ("screen_width", integer),
    "country": ("device_country", text),
    "locale_language": ("locale_language", text),
    "locale_country": ("locale_country", text),
    "timezone_offset": ("timezone_offset", integer),
    "is_tablet": ("is_tablet", boolean),
}
"""What every kind of device has: the member of the protocol, the member of `device_info`, and what it must be."""

_NETWORK: Final[Mapping[str, tuple[str, Reads]]] = {
    "network_country": ("network_country", text),
    "network_carrier": ("network_carrier", text),
    "network_code": ("network_code", text),
    "network_mobile_country_code": ("network_mobile_country_code", text),
}
_RADIOS: Final[Mapping[str, tuple[str, Reads]]] = {
    "screen_dpi": ("screen_dpi", integer),
    "supports_telephony": ("supports_telephony", boolean),
    "has_nfc": ("has_nfc", boolean),
    "bluetooth_enabled": ("bluetooth_enabled", boolean),
    "bluetooth_version": ("bluetooth_version", text),
}
_APPLE: Final[Mapping[str, tuple[str, Reads]]] = {
    **_NETWORK,
    "cpu_architecture": ("cpu_architecture", text),
    "radio_access_technology": ("radio_access_technology", text),
    "att_authorization_status": ("att_authorization_status", text),
    "att_timestamp_unixtime_ms": ("att_timestamp_unixtime_ms", integer),
}
_WEB: Final[Mapping[str, tuple[str, Reads]]] = {
    **{name: what for name, what in _DEVICE.items() if name not in {"manufacturer", "model", "country"}},
    **_NETWORK,
    "device_manufacturer": ("device_manufacturer", text),
    "device_model": ("device_model", text),
    "device_country": ("device_country", text),
    "screen_dpi": ("screen_dpi", integer),
    "radio_access_technology": ("radio_access_technology", text),
}
_ROKU: Final[Mapping[str, tuple[str, Reads]]] = {
    **{name: what for name, what in _DEVICE.items() if name not in {"screen_height", "screen_width", "is_tablet"}},
    "cpu_architecture": ("cpu_architecture", text),
}
_OF_TYPE: Final[Mapping[str, Mapping[str, tuple[str, Reads]]]] = {
    UNKNOWN: {},
    "ios": {**_DEVICE, **_APPLE},
    "tvos": {**_DEVICE, **_APPLE},
    "android": {**_DEVICE, **_NETWORK, **_RADIOS},
    "mobileweb": _WEB,
    "roku": _ROKU,
}
"""What each environment has; those that are not there have what every one has, and the radios."""

_APPLICATION: Final[Mapping[str, str]] = {
    "application_name": "application_name",
    "application_version": "application_version",
    "application_package": "package",
}


def environment_type(batch: Mapping[str, Any]) -> str:
    """Return the type of the environment that a batch comes from."""
    platform = mapping(batch.get("device_info")).get("platform")
    return _TYPES.get(platform.lower(), UNKNOWN) if isinstance(platform, str) else UNKNOWN


def environment(batch: Mapping[str, Any], identities: Identities, registration: Registration) -> Members:
    """Return the runtime environment with the identities of devices, and of the rest what the partner may see."""
    kind, allowed = environment_type(batch), registration.allowed
    device, application = mapping(batch.get("device_info")), mapping(batch.get("application_info"))
    members: Members = {"type": kind, "identities": identities.device}
    if "allow_access_ip_address" in allowed:
        members["client_ip_address"] = text(batch.get("ip"))
    if "allow_access_http_user_agent" in allowed:
        members["http_header_user_agent"] = text(device.get("http_header_user_agent"))
    members["sdk_version"] = text(batch.get("sdk_version"))
    if "allow_device_info" in allowed:
        table = _OF_TYPE.get(kind, {**_DEVICE, **_RADIOS})
        members.update({name: read(device.get(source)) for name, (source, read) in table.items()})
        if kind not in {UNKNOWN, "mobileweb"}:
            members.update({name: text(application.get(source)) for name, source in _APPLICATION.items()})
    return present(members.items())
