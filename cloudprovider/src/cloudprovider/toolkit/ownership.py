"""Proofs of whose a cloud resource is, from its tags or its name.

Nothing that a provider cannot prove to be its own is ever changed or deleted (``design.md`` 5, R1).
A proof compares what the resource carries with what we would have written; it never guesses.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
from collections.abc import Mapping, Sequence

from cloudprovider.errors import NotOwned
from cloudprovider.models import Service


class Ownership(enum.Enum):
    """What a proof says."""

    OURS = "ours"
    ANOTHERS = "another's"  #: it carries our kind of mark, for somebody else
    UNMARKED = "unmarked"  #: no mark of our kind: made by a person or another tool


@dataclasses.dataclass(frozen=True)
class Owner:
    """The Service a resource belongs to."""

    cluster: str  #: the cluster id the provider was configured with
    namespace: str
    name: str
    uid: str = ""

    @classmethod
    def of(cls, cluster: str, service: Service) -> Owner:
        """The owner that ``service`` of ``cluster`` is."""
        meta = service.metadata
        return cls(cluster, meta.namespace, meta.name, meta.uid)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclasses.dataclass(frozen=True)
class TagProof:
    """Ours if every tag of ``tags`` is there with its value.

    ``optional`` tags may be missing (older versions did not write them) but must not differ.
    """

    tags: Mapping[str, str]
    optional: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def check(self, found: Mapping[str, str]) -> Ownership:
        """What the tags ``found`` on a resource prove."""
        marks = {**self.optional, **self.tags}
        if any(key in found and found[key] != value for key, value in marks.items()):
            return Ownership.ANOTHERS
        if all(key in found for key in self.tags):
            return Ownership.OURS
        return Ownership.UNMARKED

    def require(self, found: Mapping[str, str], *, resource: str) -> None:
        """Return if ``found`` proves it ours.

        Raises:
            NotOwned: it does not; the message names the marks that are there.

        """
        verdict = self.check(found)
        if verdict is Ownership.OURS:
            return
        keys = [*self.tags, *self.optional]
        marks = ", ".join(f"{key}={found[key]}" for key in keys if key in found)
        owner = marks if verdict is Ownership.ANOTHERS else ""
        raise NotOwned(
            f"{resource} does not carry the tags that would prove it ours"
            + (f" (it has {marks})" if marks else ""),
            resource=resource,
            owner=owner,
        )


@dataclasses.dataclass(frozen=True)
class SlashName:
    """Names of the form ``MARK/x/service/namespace/cluster``, at most ``limit`` characters.

    A longer one is shortened with a digest of what was cut; it keeps its five parts. A ``.`` before
    the digest cannot occur in the name of a Service, so no short name equals a shortened one.
    """

    limit: int
    mark: str = "k8s"

    def format(self, x: str | int, owner: Owner) -> str:
        """The name of part ``x`` (a port) of ``owner``."""
        name = f"{self.mark}/{x}/{owner.name}/{owner.namespace}/{owner.cluster}"
        if len(name) <= self.limit:
            return name
        digest = hashlib.sha256(f"{owner.name}/{owner.namespace}/{owner.cluster}".encode())
        head = f"{self.mark}/{x}/"
        tail = f".{digest.hexdigest()[:10]}"
        room = self.limit - len(head) - len(tail) - 2
        cluster = owner.cluster[: max(1, room // 2)]
        room -= len(cluster)
        service = owner.name[: max(1, room // 2)]
        namespace = owner.namespace[: max(1, room - len(service))]
        return f"{head}{service}{tail}/{namespace}/{cluster}"

    def parse(self, name: str) -> tuple[str, str, str, str] | None:
        """(x, service, namespace, cluster) of a name of this form, else None."""
        parts = name.split("/")
        if len(parts) != 5 or parts[0] != self.mark or not all(parts):
            return None
        return parts[1], parts[2], parts[3], parts[4]

    def check(self, name: str, owner: Owner) -> Ownership:
        """Whose the resource called ``name`` is, as seen by ``owner``."""
        parts = self.parse(name)
        if parts is None:
            return Ownership.UNMARKED
        return Ownership.OURS if name == self.format(parts[0], owner) else Ownership.ANOTHERS

    def owner_text(self, name: str) -> str:
        """``namespace/service`` for messages, or empty if ``name`` does not say."""
        parts = self.parse(name)
        return f"{parts[2]}/{parts[1]}" if parts else ""


def tags_to_write(
    wanted: Mapping[str, str], found: Mapping[str, str], *, room: int
) -> dict[str, str]:
    """The tags of ``wanted`` whose key is missing in ``found``; a foreign value is left alone.

    Args:
        wanted: What should be there, most important first.
        found: What is there.
        room: How many tags the resource may carry in all.

    """
    missing: Sequence[str] = [key for key in wanted if key not in found]
    return {key: wanted[key] for key in missing[: max(0, room - len(found))]}
