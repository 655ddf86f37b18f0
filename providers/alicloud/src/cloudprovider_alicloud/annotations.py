"""Every annotation of a Service that this provider knows.

Keys, values and defaults: ``spec/alicloud.md`` 3. A key that is known but has no effect yet is
accepted and named in :attr:`~cloudprovider.toolkit.annotations.Values.unsupported`; where ignoring
it would expose or misroute traffic it is refused instead.
"""

from __future__ import annotations

from typing import Any

from cloudprovider.toolkit.annotations import (
    Declarations,
    Field,
    Type,
    choice,
    flag,
    integer,
    pairs,
    text,
    texts,
)

#: The current prefix, then the one of old manifests.
PREFIXES = (
    "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-",
    "service.beta.kubernetes.io/alicloud-loadbalancer-",
)

CLB, NLB = ("CLB",), ("NLB",)
BOTH = ("CLB", "NLB")

#: ``spec/alicloud.md`` 7.5.
LONGEST_NAME = 80

_ON_OFF = choice("on", "off")
_NOT_YET = "not supported yet, and ignoring it would send traffic elsewhere than you ask for"


def _protocol_ports() -> Type[dict[int, str]]:
    accepted = "a list such as tcp:80,udp:53"

    def parse(given: str) -> dict[int, str]:
        found = {}
        for item in given.split(","):
            protocol, _, port = item.strip().partition(":")
            if protocol in ("http", "https"):
                raise ValueError(f"protocol {protocol} is {_NOT_YET}")
            if protocol not in ("tcp", "udp") or not (port.isascii() and port.isdigit()):
                raise ValueError(f"{item.strip()[:80]!r} is no protocol:port")
            found[int(port)] = protocol
        return found

    return Type(parse, accepted)


def _backend_type() -> Type[str]:
    def parse(given: str) -> str:
        if given == "eni":
            raise ValueError(f"eni is {_NOT_YET}")
        return "ecs"

    return Type(parse, "ecs")


def _name() -> Type[str]:
    def parse(given: str) -> str:
        if len(given) > LONGEST_NAME:
            raise ValueError(f"{len(given)} characters")
        return given

    return Type(parse, f"1 to {LONGEST_NAME} characters")


def _choice(key: str, *values: str, doc: str, mutable: bool = True) -> Field[str | None]:
    return Field(key, choice(*values), None, doc, mutable, CLB)


def _text(key: str, doc: str, *, mutable: bool = True) -> Field[str | None]:
    return Field(key, text(), None, doc, mutable, CLB)


def _number(key: str, low: int, high: int, doc: str) -> Field[int | None]:
    return Field(key, integer(low, high), None, doc, True, CLB)


# -- the load balancer ---------------------------------------------------------------------------

ADDRESS_TYPE = Field(
    "address-type",
    choice("internet", "intranet", ignore_case=False),
    "internet",
    "Whether the load balancer has a public or a private address.",
    False,
    BOTH,
)
ID = _text("id", "Use this existing load balancer instead of creating one.", mutable=False)
NAME: Field[str | None] = Field(
    "name", _name(), None, "Name of the load balancer; default: a and the Service's UID.", True, CLB
)
SPEC = _choice(
    "spec",
    "slb.s1.small",
    "slb.s2.small",
    "slb.s2.medium",
    "slb.s3.small",
    "slb.s3.medium",
    "slb.s3.large",
    doc="Specification; where instance-charge-type is not set, a new one is then paid by spec.",
)
INSTANCE_CHARGE_TYPE: Field[str | None] = Field(
    "instance-charge-type",
    choice("PayBySpec", "PayByCLCU", ignore_case=True),
    None,
    "Paid by specification or by usage (the default).",
    True,
    CLB,
)
CHARGE_TYPE = _choice(
    "charge-type",
    "paybytraffic",
    "paybybandwidth",
    doc="How internet traffic is paid.",
)
BANDWIDTH = _number("bandwidth", 1, 5000, "Mbit/s, with charge-type paybybandwidth.")
DELETE_PROTECTION = _choice(
    "delete-protection", "on", "off", doc="Whether the console may delete it; created with on."
)
MODIFICATION_PROTECTION = _choice(
    "modification-protection",
    "ConsoleProtection",
    "NonProtection",
    doc="Whether the console may change it; created with ConsoleProtection.",
)
RESOURCE_GROUP_ID = _text("resource-group-id", "Resource group to create it in.", mutable=False)
MASTER_ZONE = _text("master-zoneid", "Primary zone.", mutable=False)
SLAVE_ZONE = _text("slave-zoneid", "Backup zone.", mutable=False)
VSWITCH = _text("vswitch-id", "vSwitch of a private address.", mutable=False)
NETWORK_TYPE = _choice(
    "network-type", "classic", "vpc", doc="Network of a private address.", mutable=False
)
IP_VERSION = _choice("ip-version", "ipv4", "ipv6", doc="Version of its address.", mutable=False)
IP = _text("ip", "The private address it shall have.", mutable=False)
HOSTNAME = _text("hostname", "Shown in the Service's status instead of the address.")
EXTERNAL_IP_TYPE = _choice(
    "external-ip-type", "eip", doc="Show the elastic IP bound to it in the Service's status."
)
FORCE_OVERRIDE = Field(
    "force-override-listeners",
    flag("true", "false"),
    False,
    "With id: manage listeners there, and take over those made by hand on the Service's ports.",
    True,
    BOTH,
)
PRESERVE: Field[str | None] = Field(
    "preserve-lb-on-delete",
    text(),
    None,
    "Keep the load balancer when the Service is deleted; our parts of it still go.",
    True,
    BOTH,
)

# -- listeners -----------------------------------------------------------------------------------

PROTOCOL_PORT: Field[dict[int, str]] = Field(
    "protocol-port", _protocol_ports(), {}, "Protocol of the listener of a port.", True, BOTH
)
SCHEDULER = _choice(
    "scheduler", "rr", "wrr", "wlc", "sch", "tch", "qch", doc="Distribution; created with rr."
)
PERSISTENCE_TIMEOUT = _number("persistence-timeout", 0, 3600, "Seconds a client keeps its node.")
ESTABLISHED_TIMEOUT = _number("established-timeout", 10, 900, "Seconds an idle connection lives.")
ACL_STATUS = _choice("acl-status", "on", "off", doc="Whether the access list is in force.")
ACL_ID: Field[tuple[str, ...] | None] = Field(
    "acl-id", texts("an access list id, or several with commas"), None, "Access lists.", True, CLB
)
ACL_TYPE = _choice("acl-type", "white", "black", doc="Whether they allow or refuse.")
HEALTH_CHECK_SWITCH = _choice("health-check-switch", "on", "off", doc="Whether nodes are checked.")
HEALTH_CHECK_TYPE = _choice("health-check-type", "tcp", "http", doc="How nodes are checked.")
HEALTH_CHECK_URI = _text("health-check-uri", "Path of an HTTP check.")
HEALTH_CHECK_PORT = _number("health-check-connect-port", -520, 65535, "Port; -520: the node port.")
HEALTHY_THRESHOLD = _number("healthy-threshold", 2, 10, "Good checks until a node is used.")
UNHEALTHY_THRESHOLD = _number("unhealthy-threshold", 2, 10, "Bad checks until it is not.")
HEALTH_CHECK_INTERVAL = _number("health-check-interval", 1, 50, "Seconds between checks.")
HEALTH_CHECK_CONNECT_TIMEOUT = _number(
    "health-check-connect-timeout", 1, 300, "Seconds a node has to answer."
)
HEALTH_CHECK_DOMAIN = _text("health-check-domain", "Host of an HTTP check.")
HEALTH_CHECK_HTTP_CODE: Field[tuple[str, ...] | None] = Field(
    "health-check-httpcode", texts("http_2xx,http_3xx,…"), None, "Good statuses.", True, BOTH
)
CONNECTION_DRAIN: Field[str | None] = Field(
    "connection-drain", _ON_OFF, None, "Let connections to a removed node end.", True, BOTH
)
CONNECTION_DRAIN_TIMEOUT = _number("connection-drain-timeout", 10, 900, "Seconds they have.")
PROXY_PROTOCOL: Field[str | None] = Field(
    "proxy-protocol", _ON_OFF, None, "Send the PROXY protocol, version 2.", True, BOTH
)

# -- backends ------------------------------------------------------------------------------------

BACKEND_LABEL: Field[Any] = Field(
    "backend-label", pairs(), {}, "Only nodes with all these labels.", True, BOTH
)
REMOVE_UNSCHEDULED = Field(
    "remove-unscheduled-backend", flag(), False, "Leave cordoned nodes out.", True, BOTH
)
DEFAULT_WEIGHT = Field("default-weight", integer(0, 100), 100, "Weight of each node.", True, BOTH)
IGNORE_WEIGHT_UPDATE = Field(
    "ignore-weight-update", flag(), False, "Leave the weights of members alone.", True, BOTH
)
BACKEND_TYPE = Field(
    "service.beta.kubernetes.io/backend-type",
    _backend_type(),
    "ecs",
    "What stands behind the load balancer: nodes.",
    True,
    BOTH,
    full=True,
)
#: Annotations that decide who is a backend, and how.
BACKEND_FIELDS: tuple[Field[Any], ...] = (
    BACKEND_LABEL,
    REMOVE_UNSCHEDULED,
    DEFAULT_WEIGHT,
    IGNORE_WEIGHT_UPDATE,
    BACKEND_TYPE,
)

# -- read elsewhere ------------------------------------------------------------------------------

CLASS: Field[str | None] = Field(
    "service.beta.kubernetes.io/class",
    text(),
    None,
    "Another controller looks after the Service.",
    False,
    CLB,
    full=True,
)
TUNNEL_TYPE = _text("tunnel-type", "Another controller looks after the Service.", mutable=False)

_SUPPORTED: tuple[Field[Any], ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Field)
)


def _later(applies_to: tuple[str, ...], *keys: str, refused: str = "") -> list[Field[Any]]:
    doc = "Not supported yet."
    kind = text("no such annotation")
    return [
        Field(key, kind, None, doc, True, applies_to, supported=False, refused=refused)
        for key in keys
    ]


_UNSUPPORTED: tuple[Field[Any], ...] = (
    *_later(BOTH, "vgroup-port", refused=_NOT_YET),
    *_later(BOTH, "additional-resource-tags", "idle-timeout", "cert-id", "tls-cipher-policy"),
    *_later(BOTH, "health-check-flag", "health-check-method", "backend-ip-version", "weight"),
    *_later(CLB, "forward-port", "http2-enabled", "health-check-timeout", "sticky-session"),
    *_later(CLB, "sticky-session-type", "cookie-timeout", "cookie", "xforwardedfor-proto"),
    *_later(CLB, "xforwardedfor-slbport", "xforwardedfor-clientsrcport", "request-timeout"),
    *_later(CLB, "domain-extensions", "type"),
    *_later(NLB, "zone-maps", "security-group-ids", "bandwidth-package-id", "ipv6-address-type"),
    *_later(NLB, "cross-zone-enabled", "cacert-id", "cacert", "cps", "preserve-client-ip"),
    *_later(NLB, "server-group-type", "ppv2-pvl-ep-id-enabled", "ppv2-pvl-eps-id-enabled"),
    *_later(NLB, "ppv2-pvl-vpc-id-enabled", "alpn", "alpn-policy", "listener-port-range"),
    *_later(NLB, "additional-cert-ids"),
    # Removed upstream, but still met in old manifests (spec/alicloud.md 3.8).
    *_later(CLB, "slb-network-type", "region", "persistence-time"),
)

ANNOTATIONS = Declarations([*_SUPPORTED, *_UNSUPPORTED], prefixes=PREFIXES)
