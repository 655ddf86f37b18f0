"""The text of the cloud config file as checked values. Pure.

Source: ``spec/alicloud.md`` 1.1. Accepted beyond it: plain keys next to base64 ones, numbers and
booleans written as text, the key ``network``. Refused: unknown keys, since one of them is most
often a known one misspelt.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import json
import logging
import re
from collections.abc import Mapping
from typing import Any, Literal, NoReturn

from cloudprovider.errors import InvalidConfiguration

_log = logging.getLogger(__name__)

Kind = Literal["text", "secret", "integer", "flag"]

#: Keys of ``Global`` and their types.
KEYS: Mapping[str, Kind] = {
    "uid": "text",
    "accessKeyID": "secret",
    "accessKeySecret": "secret",
    "clusterID": "text",
    "kubernetesClusterTag": "text",
    "region": "text",
    "vpcid": "text",
    "zoneid": "text",
    "vswitchid": "text",
    "resourceGroupID": "text",
    "serviceMaxConcurrentReconciles": "integer",
    "serviceBackendType": "text",
    "disablePublicSLB": "flag",
    "nodeMaxConcurrentReconciles": "integer",
    "nodeMonitorPeriod": "integer",
    "nodeAddrSyncPeriod": "integer",
    "routeMaxConcurrentReconciles": "integer",
    "routeTableIDs": "text",
    "privateZoneId": "text",
    "privateZoneRecordTTL": "integer",
    "featureGates": "text",
    "network": "text",
}

#: Accepted without effect: the manager has flags of its own for these.
IGNORED = frozenset(
    {
        "serviceMaxConcurrentReconciles",
        "nodeMaxConcurrentReconciles",
        "nodeMonitorPeriod",
        "nodeAddrSyncPeriod",
        "routeMaxConcurrentReconciles",
        "privateZoneId",
        "privateZoneRecordTTL",
    }
)

#: A file beyond this is no config file.
LONGEST = 1_000_000

#: What a decoded key looks like; a plain key that happens to be base64 decodes to something else.
_KEY = re.compile(r"[A-Za-z0-9._\-]{1,256}")
_BASE64 = "base64 of the key in quotes, as `printf %s KEY | base64` prints it"


def parse(text: str) -> dict[str, Any]:
    """Values of ``Global`` by canonical key: str, int or bool; keys that are null left out.

    Secrets come decoded. An empty file has no values.

    Raises:
        InvalidConfiguration: not JSON or YAML, an unknown key, a wrong type.

    """
    if len(text) > LONGEST:
        raise InvalidConfiguration("too large", field="cloud config", value=f"{len(text)} bytes")
    document = _decode(text.lstrip("\ufeff"))
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise InvalidConfiguration(
            "not an object", field="cloud config", accepted='an object {"Global": {...}}'
        )
    for name in document:
        if str(name).lower() != "global":
            _refuse_unknown(str(name), ("Global",), prefix="")
    section = next(iter(document.values()), None)
    if section is None:
        return {}
    if not isinstance(section, dict):
        raise InvalidConfiguration("not an object", field="Global", accepted="an object")
    return _values(section)


def _values(section: Mapping[Any, object]) -> dict[str, Any]:
    canonical = {key.lower(): key for key in KEYS}
    values: dict[str, Any] = {}
    for name, value in section.items():
        key = canonical.get(str(name).lower())
        if key is None:
            _refuse_unknown(str(name), tuple(KEYS), prefix="Global.")
        if value is not None:
            values[key] = _convert(key, KEYS[key], value)
            if key in IGNORED:
                _log.info("Global.%s has no effect: use the manager's flags", key)
    return values


def _decode(text: str) -> Any:
    """JSON, or YAML if it does not look like JSON."""
    where = ""
    try:
        if text.lstrip()[:1] in {"{", "[", '"'}:
            return json.loads(text)
        return _decode_yaml(text)
    except json.JSONDecodeError as error:
        where = f" at line {error.lineno}, column {error.colno}: {error.msg}"
    except ImportError:
        where = ", and YAML needs the package PyYAML"
    except ValueError:  # YAML, and a number too long for JSON
        where = ", nor YAML"
    # Outside the handlers: the decoders' errors hold the text, keys and all.
    raise InvalidConfiguration(
        f"not JSON{where}", field="cloud config", accepted='a JSON object {"Global": {...}}'
    )


def _decode_yaml(text: str) -> Any:
    if not text.strip():
        return None
    import yaml  # optional: JSON is what the documents use

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        pass
    raise ValueError


def _refuse_unknown(name: str, known: tuple[str, ...], *, prefix: str) -> NoReturn:
    lower = {key.lower(): key for key in known}
    close = difflib.get_close_matches(name.lower(), lower, n=1)
    hint = f"unknown key; did you mean {prefix}{lower[close[0]]}?" if close else "unknown key"
    raise InvalidConfiguration(
        hint, field=f"{prefix}{name:.80}", accepted=", ".join(known)
    )  # the value is not shown: it may be a key


def _convert(key: str, kind: Kind, value: object) -> str | int | bool:
    if kind == "secret":
        return _secret(key, value)
    if kind == "text" and isinstance(value, str) and (value.isprintable() or not value.strip()):
        return value.strip()
    if kind == "integer" and (number := _integer(value)) is not None:
        return number
    if kind == "flag" and (flag := _flag(value)) is not None:
        return flag
    accepted = {"text": "one line of text", "integer": "a whole number", "flag": "true or false"}
    raise InvalidConfiguration(
        "wrong type", field=f"Global.{key}", value=_shown(value), accepted=accepted[kind]
    )


def _shown(value: object) -> object:
    """A value for an error text: scalars as they are, since objects may hold anything."""
    return value if isinstance(value, str | int | float | bool) else f"({type(value).__name__})"


def _integer(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value.strip(), re.ASCII):
        return int(value)
    return None


def _flag(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return None


def _secret(key: str, value: object) -> str:
    """The decoded key. Base64 is upstream's form; a plain one is taken with a warning."""
    if not isinstance(value, str) or not value.strip().isprintable():
        raise InvalidConfiguration(
            "wrong type (not shown)", field=f"Global.{key}", accepted=_BASE64
        )
    text = value.strip()
    try:
        decoded = base64.b64decode(text, validate=True).decode("ascii").strip()
    except (binascii.Error, UnicodeDecodeError):
        decoded = ""
    if _KEY.fullmatch(decoded):
        return decoded
    if text and not _KEY.fullmatch(text):
        raise InvalidConfiguration(
            "neither base64 of a key nor a key (not shown)", field=f"Global.{key}", accepted=_BASE64
        )
    if text:
        _log.warning("Global.%s is plain text: it should be base64 of the key", key)
    return text
