"""Address ranges: reading them, and who has which. Pure.

CIDRs are compared as networks and not as text: clouds spell them in more than one way
(``spec/ccm-core.md`` 6.2 #5).
"""

from __future__ import annotations

import bisect
import functools
import ipaddress
from collections.abc import Iterable
from typing import Generic, TypeVar

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_T = TypeVar("_T")


@functools.lru_cache(maxsize=32768)
def read(text: str) -> Network | None:
    """The network that ``text`` means, host bits dropped; None if it is none."""
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None


def within(inner: Network, outer: Network) -> bool:
    """Whether ``inner`` is ``outer`` or a part of it."""
    return (
        inner.version == outer.version
        and outer.network_address <= inner.network_address  # type: ignore[operator]
        and inner.broadcast_address <= outer.broadcast_address  # type: ignore[operator]
    )


class Ranges:
    """The cluster's address ranges: ``--cluster-cidr``.

    Raises:
        ValueError: one of ``cidrs`` is no range.

    """

    def __init__(self, cidrs: Iterable[str]) -> None:
        self._networks = [ipaddress.ip_network(text, strict=False) for text in cidrs]
        self._families = {network.version for network in self._networks}

    def __str__(self) -> str:
        return ",".join(map(str, self._networks))

    def contain(self, network: Network) -> bool:
        """Whether ``network`` lies inside one of the ranges.

        Upstream asks only for its first or last address, so it takes a route that is wider than
        the cluster for the cluster's.
        """
        return any(within(network, own) for own in self._networks)

    def has_family(self, network: Network) -> bool:
        """Whether a range of the address family of ``network`` was given."""
        return network.version in self._families


class Claims(Generic[_T]):
    """Networks that do not overlap, each with its holder. Look-ups are binary searches."""

    def __init__(self) -> None:
        self._spans: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        self._holders: dict[tuple[int, int, int], _T] = {}

    def take(self, network: Network, holder: _T) -> _T | None:
        """Claim ``network``; if that overlaps an earlier claim: its holder, and nothing is done."""
        first, last = _span(network)
        spans = self._spans[network.version]
        at = bisect.bisect_left(spans, (first, last))
        for near in spans[max(0, at - 1) : at + 1]:
            if near[0] <= last and first <= near[1]:
                return self._holders[network.version, *near]
        spans.insert(at, (first, last))
        self._holders[network.version, first, last] = holder
        return None

    def cover(self, network: Network) -> bool:
        """Whether ``network`` is a claimed one, or a part of one."""
        first, last = _span(network)
        spans = self._spans[network.version]
        at = bisect.bisect_right(spans, (first, 1 << 128)) - 1
        return at >= 0 and spans[at][0] <= first and last <= spans[at][1]


def _span(network: Network) -> tuple[int, int]:
    return int(network.network_address), int(network.broadcast_address)
