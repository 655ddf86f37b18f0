"""The attributes of listeners by protocol (``spec/alicloud.md`` 4.4, 7.5, Appendix A)."""

from __future__ import annotations

from typing import Any

from cloudprovider_alicloud.emulator.params import Param, choice, integer, text

PROTOCOLS = ("tcp", "udp", "http", "https")

_ON_OFF = ("on", "off")
#: As port of the health check: that of the backend (spec/alicloud.md 3 row 39).
BACKEND_PORT = -520

#: Every attribute of any protocol, as a parameter.
_PARAMS: dict[str, Param] = {
    param.name: param
    for param in (
        text("Description", low=1, high=256),
        integer("Bandwidth", -1, 5120),
        choice("Scheduler", "wrr", "rr", "wlc", "sch", "tch", "qch"),
        integer("BackendServerPort", 1, 65535),
        choice("AclStatus", *_ON_OFF),
        choice("AclType", "white", "black"),
        text("AclId"),
        text("MasterSlaveServerGroupId"),
        integer("HealthCheckConnectPort", BACKEND_PORT, 65535),
        integer("HealthCheckInterval", 1, 50),
        integer("HealthyThreshold", 2, 10),
        integer("UnhealthyThreshold", 2, 10),
        integer("HealthCheckConnectTimeout", 1, 300),
        integer("HealthCheckTimeout", 1, 300),
        choice("HealthCheckSwitch", *_ON_OFF),
        choice("HealthCheck", *_ON_OFF),
        choice("HealthCheckType", "tcp", "http"),
        choice("HealthCheckMethod", "head", "get"),
        text("HealthCheckHttpCode"),
        text("HealthCheckURI", low=1, high=80),
        text("HealthCheckDomain", high=80),
        text("healthCheckReq", high=64),
        text("healthCheckExp", high=64),
        integer("PersistenceTimeout", 0, 3600),
        integer("EstablishedTimeout", 10, 900),
        choice("ConnectionDrain", *_ON_OFF),
        integer("ConnectionDrainTimeout", 10, 900),
        choice("ProxyProtocolV2Enabled", "true", "false"),
        choice("StickySession", *_ON_OFF),
        choice("StickySessionType", "insert", "server"),
        integer("CookieTimeout", 1, 86400),
        text("Cookie", high=200),
        integer("IdleTimeout", 1, 60),
        integer("RequestTimeout", 1, 180),
        choice("Gzip", *_ON_OFF),
        choice("XForwardedFor", *_ON_OFF),
        choice("XForwardedFor_SLBIP", *_ON_OFF),
        choice("XForwardedFor_SLBID", *_ON_OFF),
        choice("XForwardedFor_proto", *_ON_OFF),
        choice("XForwardedFor_SLBPORT", *_ON_OFF),
        choice("XForwardedFor_ClientSrcPort", *_ON_OFF),
        choice("ListenerForward", *_ON_OFF),
        integer("ForwardPort", 1, 65535),
        text("ServerCertificateId"),
        text("CACertificateId"),
        choice("EnableHttp2", *_ON_OFF),
        text("TLSCipherPolicy"),
    )
}

#: Answered beside the port, not inside the protocol's configuration.
COMMON = (
    "Description",
    "Bandwidth",
    "Scheduler",
    "BackendServerPort",
    "AclStatus",
    "AclType",
    "AclId",
)
_CHECK = (
    "HealthCheckConnectPort",
    "HealthCheckInterval",
    "HealthyThreshold",
    "UnhealthyThreshold",
)
_LAYER4 = (
    *_CHECK,
    "HealthCheckSwitch",
    "HealthCheckConnectTimeout",
    "ConnectionDrain",
    "ConnectionDrainTimeout",
    "ProxyProtocolV2Enabled",
    "MasterSlaveServerGroupId",
)
_HTTP_CHECK = ("HealthCheckHttpCode", "HealthCheckURI", "HealthCheckDomain", "HealthCheckMethod")
_LAYER7 = (
    *_CHECK,
    *_HTTP_CHECK,
    "HealthCheck",
    "HealthCheckTimeout",
    "StickySession",
    "StickySessionType",
    "Cookie",
    "CookieTimeout",
    "IdleTimeout",
    "RequestTimeout",
    "Gzip",
    "XForwardedFor",
    "XForwardedFor_SLBIP",
    "XForwardedFor_SLBID",
    "XForwardedFor_proto",
    "XForwardedFor_SLBPORT",
    "XForwardedFor_ClientSrcPort",
)

#: Protocol to the attributes of its configuration.
CONFIGURATION: dict[str, tuple[str, ...]] = {
    "tcp": (*_LAYER4, *_HTTP_CHECK, "HealthCheckType", "PersistenceTimeout", "EstablishedTimeout"),
    "udp": (*_LAYER4, "healthCheckReq", "healthCheckExp"),
    "http": (*_LAYER7, "ListenerForward", "ForwardPort"),
    "https": (
        *_LAYER7,
        "ServerCertificateId",
        "CACertificateId",
        "EnableHttp2",
        "TLSCipherPolicy",
    ),
}

_DEFAULTS: dict[str, Any] = {
    "Scheduler": "wrr",
    "AclStatus": "off",
    "HealthyThreshold": 3,
    "UnhealthyThreshold": 3,
}
_DEFAULTS4 = {
    **_DEFAULTS,
    "HealthCheckSwitch": "on",
    "ConnectionDrain": "off",
    "ProxyProtocolV2Enabled": "false",
}
_DEFAULTS7 = {
    **_DEFAULTS,
    "Bandwidth": -1,
    "HealthCheck": "off",
    "StickySession": "off",
    "Gzip": "on",
    "XForwardedFor": "on",
    "XForwardedFor_SLBIP": "off",
    "XForwardedFor_SLBID": "off",
    "XForwardedFor_proto": "off",
    "XForwardedFor_SLBPORT": "off",
    "XForwardedFor_ClientSrcPort": "off",
    "IdleTimeout": 15,
    "RequestTimeout": 60,
}

#: What a new listener has where nothing was asked for.
DEFAULTS: dict[str, dict[str, Any]] = {
    "tcp": {
        **_DEFAULTS4,
        "HealthCheckType": "tcp",
        "HealthCheckConnectTimeout": 5,
        "HealthCheckInterval": 2,
        "PersistenceTimeout": 0,
        "EstablishedTimeout": 900,
    },
    "udp": {**_DEFAULTS4, "HealthCheckConnectTimeout": 10, "HealthCheckInterval": 5},
    # A listener that forwards nothing must say so (spec/alicloud.md 3 row 33).
    "http": {**_DEFAULTS7, "ListenerForward": "off"},
    "https": {**_DEFAULTS7, "EnableHttp2": "on", "TLSCipherPolicy": "tls_cipher_policy_1_0"},
}

#: What must be given at creation.
REQUIRED: dict[str, tuple[str, ...]] = {
    "tcp": ("Bandwidth",),
    "udp": ("Bandwidth",),
    "http": (),
    "https": ("ServerCertificateId",),
}


def params_of(protocol: str) -> tuple[Param, ...]:
    """The parameters that create or change a listener of ``protocol``."""
    return tuple(_PARAMS[name] for name in (*COMMON, *CONFIGURATION[protocol]))
