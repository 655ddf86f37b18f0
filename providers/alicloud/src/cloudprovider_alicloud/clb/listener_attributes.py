"""Attributes of layer-4 listeners: which annotation, which protocol, what it is called where.

Source: the matrix of ``spec/alicloud.md`` 4.4 and the spellings of 7.3.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from cloudprovider.toolkit.annotations import Field, Values
from cloudprovider.toolkit.service import HEALTH_CHECK_PATH
from cloudprovider_alicloud import annotations as keys

_TCP, _L4 = ("tcp",), ("tcp", "udp")

#: Sent when a listener is created and no annotation says otherwise.
CREATE_DEFAULTS: Mapping[str, str] = {"Scheduler": "rr", "Bandwidth": "-1"}
#: Asked for by one name, answered by another.
_ANSWERED_AS = {"HealthCheckSwitch": "HealthCheck", "AclId": "AclIds"}
#: Create calls want this spelling; the calls that change want the ordinary one.
_CREATED_AS = {"HealthCheckInterval": "healthCheckInterval"}
_SETS = ("AclId", "HealthCheckHttpCode")
#: As port of the health check: that of the backend. Answers may leave it out, or say 0.
BACKEND_PORT = "-520"
_BACKEND_PORT = frozenset(("", "0", BACKEND_PORT))
#: Any of these says that the user chose what is checked.
_CHECKED = frozenset(("HealthCheckType", "HealthCheckConnectPort", "HealthCheckURI"))


@dataclasses.dataclass(frozen=True)
class _Attribute:
    field: Field[Any]
    wire: str
    protocols: tuple[str, ...] = _L4
    only_if: Field[str | None] | None = None  #: without effect unless this one is on
    text: Callable[[Any], str] = str


def _joined(value: tuple[str, ...]) -> str:
    return ",".join(value)


_ATTRIBUTES = (
    _Attribute(keys.SCHEDULER, "Scheduler"),
    _Attribute(keys.PERSISTENCE_TIMEOUT, "PersistenceTimeout", _TCP),
    _Attribute(keys.ESTABLISHED_TIMEOUT, "EstablishedTimeout", _TCP),
    _Attribute(keys.ACL_STATUS, "AclStatus"),
    _Attribute(keys.ACL_TYPE, "AclType", only_if=keys.ACL_STATUS),
    _Attribute(keys.ACL_ID, "AclId", only_if=keys.ACL_STATUS, text=_joined),
    _Attribute(keys.HEALTH_CHECK_SWITCH, "HealthCheckSwitch"),
    _Attribute(keys.HEALTH_CHECK_TYPE, "HealthCheckType", _TCP),
    _Attribute(keys.HEALTH_CHECK_URI, "HealthCheckURI", _TCP),
    _Attribute(keys.HEALTH_CHECK_PORT, "HealthCheckConnectPort"),
    _Attribute(keys.HEALTHY_THRESHOLD, "HealthyThreshold"),
    _Attribute(keys.UNHEALTHY_THRESHOLD, "UnhealthyThreshold"),
    _Attribute(keys.HEALTH_CHECK_INTERVAL, "HealthCheckInterval"),
    _Attribute(keys.HEALTH_CHECK_CONNECT_TIMEOUT, "HealthCheckConnectTimeout"),
    _Attribute(keys.HEALTH_CHECK_DOMAIN, "HealthCheckDomain", _TCP),
    _Attribute(keys.HEALTH_CHECK_HTTP_CODE, "HealthCheckHttpCode", _TCP, text=_joined),
    _Attribute(keys.CONNECTION_DRAIN, "ConnectionDrain"),
    _Attribute(
        keys.CONNECTION_DRAIN_TIMEOUT, "ConnectionDrainTimeout", only_if=keys.CONNECTION_DRAIN
    ),
    _Attribute(
        keys.PROXY_PROTOCOL,
        "ProxyProtocolV2Enabled",
        text=lambda value: "true" if value == "on" else "false",
    ),
)


def from_annotations(values: Values, protocol: str) -> dict[str, str]:
    """What annotations ask of a listener of ``protocol``, by the wire's names."""
    return {
        attribute.wire: attribute.text(values[attribute.field])
        for attribute in _ATTRIBUTES
        if attribute.field in values
        and protocol in attribute.protocols
        and (attribute.only_if is None or values[attribute.only_if] == "on")
    }


def local_check(path: str, port: int) -> dict[str, str]:
    """The health check of policy Local: kube-proxy says on ``port`` whether a node has endpoints.

    For listeners of protocol tcp, the only one whose checks can ask for a path.
    """
    return {
        "HealthCheckSwitch": "on",
        "HealthCheckType": "http",
        "HealthCheckConnectPort": str(port),
        "HealthCheckURI": path,
    }


def after_local(wanted: Mapping[str, str], answered: Mapping[str, str]) -> dict[str, str]:
    """``wanted``, and the usual health check where that of policy Local is left over.

    The policy is another by now, so nobody answers on its port any more: every backend would count
    as dead. What no annotation names stays as it is otherwise.
    """
    left_over = (
        answered.get("HealthCheckType") == "http"
        and answered.get("HealthCheckURI") == HEALTH_CHECK_PATH
        and answered.get("HealthCheckConnectPort", "") not in _BACKEND_PORT
    )
    if not left_over or _CHECKED & wanted.keys():
        return dict(wanted)
    return {**wanted, "HealthCheckType": "tcp", "HealthCheckConnectPort": BACKEND_PORT}


def create_params(wanted: Mapping[str, str]) -> dict[str, str]:
    """``wanted`` with defaults, as a create call sends it."""
    full = {**CREATE_DEFAULTS, **wanted}
    return {_CREATED_AS.get(name, name): value for name, value in full.items()}


def differences(wanted: Mapping[str, str], answered: Mapping[str, str]) -> list[str]:
    """Names of ``wanted`` whose value differs from what the cloud ``answered``."""
    return [
        name
        for name, value in wanted.items()
        if not _same(name, value, answered.get(_ANSWERED_AS.get(name, name), ""))
    ]


def change_params(wanted: Mapping[str, str], answered: Mapping[str, str]) -> dict[str, str]:
    """What a change sends: everything wanted, and what must not be lost."""
    kept = {name: answered[name] for name in CREATE_DEFAULTS if answered.get(name)}
    return {**kept, **wanted}


def _same(name: str, wanted: str, answered: str) -> bool:
    if name in _SETS:
        return set(wanted.split(",")) == set(answered.split(","))
    if name == "HealthCheckConnectPort" and wanted in _BACKEND_PORT:
        return answered in _BACKEND_PORT
    return wanted.lower() == answered.lower()
