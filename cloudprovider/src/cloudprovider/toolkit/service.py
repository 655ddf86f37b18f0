"""Facts about Services that every provider needs, as upstream's helpers compute them.

Source: ``spec/ccm-core.md`` 1.9 (``k8s.io/cloud-provider/service/helpers``).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from cloudprovider.errors import InvalidConfiguration
from cloudprovider.models import LoadBalancerStatus, Service

#: Upstream's finalizer: while a Service carries it, its load balancer may exist.
LOAD_BALANCER_FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
#: Source ranges where ``spec.loadBalancerSourceRanges`` is empty.
SOURCE_RANGES_ANNOTATION = "service.beta.kubernetes.io/load-balancer-source-ranges"
#: Where kube-proxy answers whether a node has local endpoints.
HEALTH_CHECK_PATH = "/healthz"

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_EVERYWHERE = ipaddress.ip_network("0.0.0.0/0")
_EXAMPLE = "a list of networks such as 10.0.0.0/24,192.168.2.0/24"


def default_load_balancer_name(service: Service) -> str:
    """``a`` and the UID without dashes, cut at 32 characters: what upstream has always used."""
    return ("a" + service.metadata.uid.replace("-", ""))[:32]


def source_ranges(service: Service) -> frozenset[IPNetwork]:
    """Who may connect: the spec's ranges, else the annotation's, else everybody (IPv4).

    Host bits are masked off and leading zeros in IPv4 octets are tolerated, as upstream does.

    Raises:
        InvalidConfiguration: an item is no network; the field or annotation is named.

    """
    listed = service.spec.load_balancer_source_ranges
    if listed:
        return _networks(listed, field="spec.loadBalancerSourceRanges")
    text = ((service.metadata.annotations or {}).get(SOURCE_RANGES_ANNOTATION) or "").strip()
    if text:
        return _networks(text.split(","), field=SOURCE_RANGES_ANNOTATION)
    return frozenset({_EVERYWHERE})


def allows_all(ranges: Iterable[IPNetwork]) -> bool:
    """Whether ``ranges`` holds literally ``0.0.0.0/0``."""
    return _EVERYWHERE in ranges


def _networks(items: Iterable[str], *, field: str) -> frozenset[IPNetwork]:
    networks = set()
    for item in items:
        try:
            networks.add(ipaddress.ip_network(_plain_octets(item.strip()), strict=False))
        except ValueError as error:
            raise InvalidConfiguration(
                "not a network", field=field, value=item, accepted=_EXAMPLE
            ) from error
    return frozenset(networks)


def _plain_octets(text: str) -> str:
    """``text`` without leading zeros in IPv4 octets, and refused if it has no prefix length."""
    address, slash, length = text.partition("/")
    if not slash:
        raise ValueError("no prefix length")
    octets = address.split(".")
    if len(octets) == 4 and all(octet.isascii() and octet.isdigit() for octet in octets):
        address = ".".join(str(int(octet)) for octet in octets)
    return f"{address}/{length}"


def requests_only_local_traffic(service: Service) -> bool:
    """Whether outside traffic may only reach endpoints on the node it enters."""
    exposed = service.spec.type in ("LoadBalancer", "NodePort")
    return exposed and service.spec.external_traffic_policy == "Local"


def needs_health_check(service: Service) -> bool:
    """Whether the balancer must ask each node if it has local endpoints."""
    return service.spec.type == "LoadBalancer" and requests_only_local_traffic(service)


def health_check_path_port(service: Service) -> tuple[str, int]:
    """Path and port of that question: ``("", 0)`` if it is not needed or no port is allocated."""
    port = service.spec.health_check_node_port or 0
    if not needs_health_check(service) or not port:
        return "", 0
    return HEALTH_CHECK_PATH, port


def has_load_balancer_finalizer(service: Service) -> bool:
    """Whether upstream's clean-up finalizer is set."""
    return LOAD_BALANCER_FINALIZER in (service.metadata.finalizers or ())


def load_balancer_status_equal(left: LoadBalancerStatus, right: LoadBalancerStatus) -> bool:
    """Whether both name the same ingress points in the same order; null and empty are equal."""
    return (left.ingress or ()) == (right.ingress or ())
