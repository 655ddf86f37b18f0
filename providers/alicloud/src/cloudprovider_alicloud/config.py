"""The cloud config file and the environment, read and validated once.

The file is upstream's: JSON (or YAML), one object ``Global``; keys are matched without regard to
case. What is missing there comes from the environment, then from the metadata service
(:func:`cloudprovider_alicloud.metadata.complete`). Source: ``spec/alicloud.md`` 1.1, 1.2, 10.1.

Nothing here shows a credential, in an error, a log line or a repr.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from cloudprovider.errors import InvalidConfiguration
from cloudprovider_alicloud import config_file, credentials
from cloudprovider_alicloud.api import endpoints
from cloudprovider_alicloud.api.caller import PRODUCTS, Product

_log = logging.getLogger(__name__)

#: ``Global.clusterID`` where it is not set (upstream's).
DEFAULT_CLUSTER_ID = "clusterid"

#: Feature gates and their defaults (``spec/alicloud.md`` 8.2).
FEATURE_GATES: Mapping[str, bool] = {
    "IPv6DualStack": False,
    "EndpointSlice": True,
    "FilterServiceOnNodeChange": False,
    "LoadBalancerTypeAnnotation": False,
}

#: Variables for the key pair, best first; those of kube-aliyun are old.
_KEY_PAIRS = (
    ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET"),
    ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
    ("ALIYUN_ACCESS_KEY", "ALIYUN_ACCESS_KEY_SECRET"),
)

#: Old variables (kube-aliyun) and the key that replaces each.
_ALIASES: Mapping[str, str] = {
    "ALIYUN_REGION": "region",
    "ALIYUN_VPC": "vpcid",
    "ALIYUN_VSWITCH": "vswitchid",
    "ALIYUN_ZONE": "zoneid",
    "ALIYUN_ROUTE_TABLE": "routeTableIDs",
}

#: What a region id looks like. It becomes part of host names, so nothing else passes.
REGION = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")


@dataclasses.dataclass(frozen=True)
class VSwitch:
    """A vSwitch of ``Global.vswitchid``; ``zone_id`` is empty for a bare id."""

    vswitch_id: str
    zone_id: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AlicloudConfig:
    """Everything the operator decided."""

    #: Region id, e.g. ``cn-hangzhou``. Empty only before the metadata service was asked.
    region: str
    cluster_id: str = DEFAULT_CLUSTER_ID
    #: Tag key that instances must have to be found by address; empty = any instance.
    kubernetes_cluster_tag: str = ""
    vpc_id: str = ""
    zone_id: str = ""
    vswitches: tuple[VSwitch, ...] = ()
    resource_group_id: str = ""
    #: ``eni`` or empty: the default of annotation ``backend-type``.
    service_backend_type: str = ""
    disable_public_slb: bool = False
    route_table_ids: tuple[str, ...] = ()
    feature_gates: Mapping[str, bool] = dataclasses.field(default_factory=dict)
    #: Which endpoints: ``vpc`` from inside a VPC of the region, or ``public``.
    network: endpoints.Network = "vpc"
    #: Host or URL by product, instead of the computed endpoint.
    endpoint_overrides: Mapping[str, str] = dataclasses.field(default_factory=dict)
    scheme: endpoints.Scheme = "https"
    #: Address of the metadata service; empty = the cloud's own.
    metadata_endpoint: str = ""
    #: None only in tests that bring their own caller.
    credentials: credentials.CredentialSource | None = dataclasses.field(default=None, repr=False)

    def enabled(self, gate: str) -> bool:
        """Whether feature ``gate`` is on."""
        return self.feature_gates.get(gate, FEATURE_GATES[gate])

    def endpoints(self) -> dict[Product, endpoints.Endpoint]:
        """Where each product is served.

        Raises:
            InvalidConfiguration: an override is no endpoint, or the region needs one.

        """
        return endpoints.endpoints(
            self.region,
            network=self.network,
            overrides=self.endpoint_overrides,
            scheme=self.scheme,
        )


def load(text: str | None, environ: Mapping[str, str]) -> AlicloudConfig:
    """The config from a file's ``text`` (None = no file) and the environment. No I/O.

    Raises:
        InvalidConfiguration: names the field, its value unless secret, and what is accepted.

    """
    values = {} if text is None else config_file.parse(text)
    for variable, key in _ALIASES.items():
        if environ.get(variable) and not values.get(key):
            _log.warning("%s is old: set Global.%s in the cloud config instead", variable, key)
            values[key] = environ[variable]
    if environ.get("ALIYUN_ROUTER"):
        _log.warning("ALIYUN_ROUTER is old and not needed: routers are found through the VPC")
    if values.get("uid"):
        _log.warning("Global.uid is ignored: keys are not exchanged through a token program")
    config = AlicloudConfig(
        region=_region(values.get("region", "")),
        cluster_id=values.get("clusterID") or DEFAULT_CLUSTER_ID,
        kubernetes_cluster_tag=values.get("kubernetesClusterTag", ""),
        vpc_id=values.get("vpcid", ""),
        zone_id=values.get("zoneid", ""),
        vswitches=_vswitches(values.get("vswitchid", "")),
        resource_group_id=values.get("resourceGroupID", ""),
        service_backend_type=_backend_type(values.get("serviceBackendType", ""), environ),
        disable_public_slb=values.get("disablePublicSLB", False),
        route_table_ids=_split(values.get("routeTableIDs", "")),
        feature_gates=_feature_gates(values.get("featureGates", "")),
        network=_network(values.get("network") or "vpc"),
        endpoint_overrides={
            product: environ[endpoints.variable(product)]
            for product in PRODUCTS
            if environ.get(endpoints.variable(product))
        },
        scheme=_scheme(environ.get("ALICLOUD_CLIENT_SCHEME") or "HTTPS"),
        metadata_endpoint=environ.get("METADATA_ENDPOINT", ""),
        credentials=_credentials(values, environ),
    )
    if config.region:
        config.endpoints()  # a wrong override is found now, not at the first call
    return config


def _refuse(key: str, value: object, accepted: str) -> NoReturn:
    raise InvalidConfiguration(
        "not accepted", field=f"Global.{key}", value=value, accepted=accepted
    )


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _region(value: str) -> str:
    if value and not REGION.fullmatch(value):
        _refuse("region", value, "a region id such as cn-hangzhou")
    return value


def _vswitches(value: str) -> tuple[VSwitch, ...]:
    found = []
    for entry in _split(value):
        zone, colon, vswitch = entry.rpartition(":")
        if ":" in zone or not vswitch or (colon and not zone):
            _refuse("vswitchid", value, "vsw-1 or zone-1:vsw-1,zone-2:vsw-2")
        found.append(VSwitch(vswitch.strip(), zone.strip()))
    return tuple(found)


def _backend_type(value: str, environ: Mapping[str, str]) -> str:
    forced = environ.get("SERVICE_FORCE_BACKEND_ENI")
    if forced:
        return "eni" if forced.lower() == "true" else ""
    if value not in {"", "eni"}:
        _refuse("serviceBackendType", value, "eni, or empty")
    return value


def _feature_gates(value: str) -> dict[str, bool]:
    gates = {}
    for entry in _split(value):
        name, _, setting = entry.partition("=")
        if name not in FEATURE_GATES or setting.lower() not in {"true", "false"}:
            _refuse("featureGates", value, f"NAME=true or NAME=false of {', '.join(FEATURE_GATES)}")
        gates[name] = setting.lower() == "true"
    return gates


def _network(value: str) -> endpoints.Network:
    match value:
        case "vpc" | "public":
            return value
        case _:
            _refuse("network", value, "vpc or public")


def _scheme(value: str) -> endpoints.Scheme:
    match value.lower():
        case "http":
            return "http"
        case "https":
            return "https"
        case _:
            raise InvalidConfiguration(
                "not a scheme",
                field="ALICLOUD_CLIENT_SCHEME",
                value=value,
                accepted="HTTP or HTTPS",
            )


def _credentials(
    values: Mapping[str, Any], environ: Mapping[str, str]
) -> credentials.StaticCredentials:
    """From the file if it has a key, else from the first pair of variables that is set."""
    key, secret = values.get("accessKeyID", ""), values.get("accessKeySecret", "")
    if key or secret:
        if not (key and secret):
            names = ("Global.accessKeySecret", "Global.accessKeyID")
            raise _half(*(names if key else reversed(names)))
        return credentials.StaticCredentials(key, secret)
    for name_id, name_secret in _KEY_PAIRS:
        key, secret = environ.get(name_id, "").strip(), environ.get(name_secret, "").strip()
        if key and secret:
            if name_id.startswith("ALIYUN_"):
                _log.warning("%s and %s are old: use ACCESS_KEY_ID, ...", name_id, name_secret)
            return credentials.StaticCredentials(key, secret)
        if key or secret:
            raise _half(*((name_secret, name_id) if key else (name_id, name_secret)))
    raise InvalidConfiguration(
        "no credentials",
        field="Global.accessKeyID",
        accepted=(
            "accessKeyID and accessKeySecret in the cloud config,"
            " or the variables ACCESS_KEY_ID and ACCESS_KEY_SECRET"
        ),
    )


def _half(missing: str, given: str) -> InvalidConfiguration:
    return InvalidConfiguration(
        f"half of the key pair is missing: {given} is set", field=missing, accepted="both or none"
    )
