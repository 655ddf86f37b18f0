"""In what form a client wants its answer: plain objects, Tables, or metadata only."""

from __future__ import annotations

import dataclasses
import re

import msgspec

from cloudprovider.concurrency import Concurrency
from cloudprovider_sandbox.apiserver import status, tables
from cloudprovider_sandbox.apiserver.messages import Request
from cloudprovider_sandbox.apiserver.resources import Resource
from cloudprovider_sandbox.apiserver.store import Entry

_AS = re.compile(r"as=(\w+)")
_FORMS = {
    name.lower(): name for name in ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
}
#: What is answered with JSON.
_READABLE = re.compile(r"application/(json|yaml|vnd\.kubernetes\.protobuf|cbor|\*)|\*/\*")


@dataclasses.dataclass
class View:
    """How to write objects of one resource for one client."""

    resource: Resource
    form: str  #: "" for plain objects, Table, PartialObjectMetadata(List)
    include: str
    concurrency: Concurrency
    headed: bool = False  #: a watch sends the columns of a Table once

    def one(self, data: bytes) -> bytes:
        """A single object."""
        if self.form == "Table":
            version = msgspec.json.decode(data)["metadata"]["resourceVersion"]
            return self._table([data], {"resourceVersion": version}, headed=True)
        if self.resource.stored_as:
            data = event_view(data)
        if self.form:
            return msgspec.json.encode(tables.partial(msgspec.json.decode(data)))
        return data

    def event(self, entry: Entry) -> bytes:
        """The object of a watch event."""
        if self.form != "Table":
            return self.one(entry.data)
        headed, self.headed = not self.headed, True
        return self._table([entry.data], {"resourceVersion": str(entry.version)}, headed=headed)

    def many(self, objects: list[bytes], version: int, token: str, remaining: int) -> bytes:
        """A list at ``version``; ``token`` and ``remaining`` where it goes on."""
        meta: dict[str, object] = {"resourceVersion": str(version)}
        if token:
            meta["continue"] = token
            if remaining:
                meta["remainingItemCount"] = remaining
        if self.form == "Table":
            return self._table(objects, meta, headed=True)
        kind, group_version = f"{self.resource.kind}List", self.resource.group_version
        if self.form or self.resource.stored_as:
            objects = [self.one(data) for data in objects]
        if self.form:
            kind, group_version = "PartialObjectMetadataList", "meta.k8s.io/v1"
        else:
            objects = self._bare(objects)
        head = msgspec.json.encode({"kind": kind, "apiVersion": group_version, "metadata": meta})
        return b'%b,"items":[%b]}' % (head[:-1], b",".join(objects))

    def _bare(self, objects: list[bytes]) -> list[bytes]:
        """Items of a list as kube-apiserver sends them: without kind and apiVersion."""
        head = {"kind": self.resource.kind, "apiVersion": self.resource.group_version}
        prefix = msgspec.json.encode(head)[:-1] + b","
        size = len(prefix)
        return [b"{" + data[size:] if data.startswith(prefix) else data for data in objects]

    def _table(self, objects: list[bytes], meta: dict[str, object], *, headed: bool) -> bytes:
        made = tables.table(
            self.resource,
            objects,
            include=self.include,
            now=self.concurrency.now(),
            meta=meta,
            headed=headed,
        )
        return msgspec.json.encode(made)


def event_view(data: bytes) -> bytes:
    """A core Event as one of ``events.k8s.io/v1``."""
    event = msgspec.json.decode(data)
    renamed = {
        "involvedObject": "regarding",
        "message": "note",
        "source": "deprecatedSource",
        "firstTimestamp": "deprecatedFirstTimestamp",
        "lastTimestamp": "deprecatedLastTimestamp",
        "count": "deprecatedCount",
        "reportingComponent": "reportingController",
    }
    made = {renamed.get(name, name): value for name, value in event.items()}
    made["apiVersion"] = "events.k8s.io/v1"
    return msgspec.json.encode(made)


def negotiate(request: Request, resource: Resource, concurrency: Concurrency) -> View:
    """The view that the Accept header asks for; always JSON. Raises StatusError 406."""
    include = request.query.get("includeObject", "Metadata")
    accepted = request.headers.get("accept", "").lower()
    for part in accepted.split(",") if accepted else ["*/*"]:
        found = _AS.search(part)
        if not _READABLE.match(part.strip()):
            continue
        if found is None:
            return View(resource, "", include, concurrency)
        if "json" in part and found[1] in _FORMS:
            return View(resource, _FORMS[found[1]], include, concurrency)
    raise status.not_acceptable(("application/json",))
