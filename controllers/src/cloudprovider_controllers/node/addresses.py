"""Which addresses a Node shall have. Pure.

Source: ``spec/ccm-core.md`` 3.2.4.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from cloudprovider.errors import CloudProviderError, InvalidConfiguration
from cloudprovider.models import Node, NodeAddress

#: Written by the kubelet: the address or addresses it was started with (``--node-ip``).
PROVIDED_NODE_IP = "alpha.kubernetes.io/provided-node-ip"
HOSTNAME = "Hostname"

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_ip(text: str) -> IPAddress | None:
    """``text`` as an address, or None. Leading zeros in IPv4 octets are tolerated, as in Go.

    An IPv4 address written as IPv6 (``::ffff:10.0.0.1``) is the IPv4 address. One with a zone
    (``fe80::1%eth0``) is none: it means something on one machine only.
    """
    if "%" in text:
        return None
    octets = text.split(".")
    if len(octets) == 4 and all(octet.isascii() and octet.isdigit() for octet in octets):
        text = ".".join(octet.lstrip("0") or "0" for octet in octets)
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def parse_node_ips(text: str) -> list[IPAddress]:
    """The annotation's value: one address, or two of different families.

    Raises:
        InvalidConfiguration: anything else, such as spaces or an unspecified address in a pair.

    """
    parsed = [parse_ip(part) for part in text.split(",")]
    addresses = [address for address in parsed if address is not None]
    if len(addresses) != len(parsed) or len(addresses) > 2:
        raise _invalid(text)
    if len(addresses) == 2:
        unspecified = any(address.is_unspecified for address in addresses)
        if unspecified or addresses[0].version == addresses[1].version:
            raise _invalid(text)
    return addresses


def _invalid(text: str) -> InvalidConfiguration:
    return InvalidConfiguration(
        "not a node address",
        field=f"metadata.annotations[{PROVIDED_NODE_IP}]",
        value=text,
        accepted="one IP address, or an IPv4 and an IPv6 address with a comma between them",
    )


def filter_by_node_ip(provided: str, addresses: Sequence[NodeAddress]) -> list[NodeAddress]:
    """The cloud's ``addresses`` that the kubelet was told to use, then those of other types.

    For each IP of ``provided`` in order: every address equal to it as an IP, in the cloud's text.
    Types found that way lose their other addresses; all other types stay.

    Raises:
        InvalidConfiguration: ``provided`` cannot be read.
        CloudProviderError: the cloud has no such address.

    """
    chosen: list[NodeAddress] = []
    for wanted in parse_node_ips(provided):
        found = [item for item in addresses if parse_ip(item.address) == wanted]
        if not found:
            raise CloudProviderError(
                f"failed to get node address from cloud provider that matches ip: {wanted}"
            )
        chosen.extend(found)
    types = {item.type for item in chosen}
    return chosen + [item for item in addresses if item.type not in types]


def add_missing(
    addresses: Sequence[NodeAddress], extra: Sequence[NodeAddress]
) -> list[NodeAddress]:
    """``addresses`` and those of ``extra`` that are not in it, each (type, address) once."""
    result = list(addresses)
    for item in extra:
        if item not in result:
            result.append(item)
    return result


def provided_node_ip(node: Node) -> str | None:
    """The annotation's value, or None where there is none."""
    return (node.metadata.annotations or {}).get(PROVIDED_NODE_IP)


def desired_addresses(node: Node, cloud: Sequence[NodeAddress]) -> list[NodeAddress] | None:
    """What ``status.addresses`` of ``node`` shall be, or None to leave it as it is.

    A cloud that gives none never clears any. Host names that the kubelet reported stay when the
    cloud gives no host name.

    Raises:
        InvalidConfiguration, CloudProviderError: as :func:`filter_by_node_ip`.

    """
    if not cloud:
        return None
    present = node.status.addresses or ()
    wanted = list(cloud)
    if not any(item.type == HOSTNAME for item in wanted):
        wanted = add_missing(wanted, [item for item in present if item.type == HOSTNAME])
    provided = provided_node_ip(node)
    if provided is not None:
        wanted = filter_by_node_ip(provided, wanted)
    # Whole lists in order: by type alone, a dual-stack node would look changed for ever.
    return None if wanted == list(present) else wanted
