"""Cluster IPs and node ports: which are taken, and by which Service.

Ports and addresses are handed out in ascending order, going on after the last one, so that a run
repeats and a freed value is not reused at once. (kube-apiserver draws them at random.)
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable


class RangeFull(Exception):
    """Nothing is left."""


class Taken(Exception):
    """Someone else has it."""


class OutOfRange(Exception):
    """It is not ours to give."""


class Numbers:
    """Integers from ``first`` to ``last``, each with at most one owner."""

    def __init__(self, first: int, last: int) -> None:
        self.first = first
        self.last = last
        self._owners: dict[int, str] = {}
        self._next = first

    def take(self, owner: str) -> int:
        """A free number. Raises RangeFull."""
        size = self.last - self.first + 1
        if len(self._owners) >= size:
            raise RangeFull
        for _ in range(size):
            number = self._next
            self._next = self.first if number == self.last else number + 1
            if number not in self._owners:
                self._owners[number] = owner
                return number
        raise RangeFull

    def claim(self, number: int, owner: str) -> bool:
        """Take ``number``; False if it was ``owner``'s already. Raises OutOfRange or Taken."""
        if not self.first <= number <= self.last:
            raise OutOfRange
        if number in self._owners:
            if self._owners[number] != owner:
                raise Taken
            return False
        self._owners[number] = owner
        return True

    def release(self, number: int, owner: str) -> None:
        """Give ``number`` back, if it is ``owner``'s."""
        if self._owners.get(number) == owner:
            del self._owners[number]

    def clear(self) -> None:
        """Nobody has anything; numbering starts again."""
        self._owners.clear()
        self._next = self.first

    def __len__(self) -> int:
        return len(self._owners)


class Addresses:
    """The addresses of one CIDR, without the first (and for IPv4 the last)."""

    def __init__(self, cidr: str) -> None:
        self.network = ipaddress.ip_network(cidr)
        size = min(self.network.num_addresses, 2**20)
        self._base = int(self.network.network_address)
        self.numbers = Numbers(1, size - 2 if self.network.version == 4 else size - 1)

    @property
    def family(self) -> str:
        """``IPv4`` or ``IPv6``."""
        return f"IPv{self.network.version}"

    def take(self, owner: str) -> str:
        """A free address. Raises RangeFull."""
        return str(self.network.network_address + self.numbers.take(owner))

    def claim(self, address: str, owner: str) -> bool:
        """Take ``address``; False if it was ``owner``'s already. Raises OutOfRange or Taken."""
        return self.numbers.claim(self._number(address), owner)

    def release(self, address: str, owner: str) -> None:
        """Give ``address`` back, if it is ``owner``'s and of this range."""
        if address in self:
            self.numbers.release(self._number(address), owner)

    def __contains__(self, address: str) -> bool:
        try:
            return ipaddress.ip_address(address) in self.network
        except ValueError:
            return False

    def _number(self, address: str) -> int:
        if address not in self:
            raise OutOfRange
        return int(ipaddress.ip_address(address)) - self._base


class Reservation:
    """What one write takes and gives back; undone unless it is committed."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self._taken: list[tuple[Numbers | Addresses, int | str]] = []
        self._released: list[tuple[Numbers | Addresses, int | str]] = []

    def take(self, pool: Numbers | Addresses) -> int | str:
        """A free value of ``pool``. Raises RangeFull."""
        value = pool.take(self.owner)
        self._taken.append((pool, value))
        return value

    def claim(self, pool: Numbers | Addresses, value: int | str) -> None:
        """Take this very value. Raises OutOfRange or Taken."""
        if pool.claim(value, self.owner):  # type: ignore[arg-type]
            self._taken.append((pool, value))

    def release(self, pool: Numbers | Addresses, values: Iterable[int | str]) -> None:
        """Give ``values`` back on commit."""
        self._released += [(pool, value) for value in values]

    def commit(self) -> None:
        """It holds."""
        for pool, value in self._released:
            pool.release(value, self.owner)  # type: ignore[arg-type]

    def rollback(self) -> None:
        """It never happened."""
        for pool, value in self._taken:
            pool.release(value, self.owner)  # type: ignore[arg-type]
