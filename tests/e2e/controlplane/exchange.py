"""Puts the same questions to both API servers and compares the answers field by field.

A topic is a function that asks through an :class:`Exchange`. What differs between any two clusters
is masked: the uids, versions, addresses and ports of an object become ``uid 1 of web``, ``uid 2 of
web``, … in the order in which they were first seen, so that equal values stay equal and different
ones different.
"""

from __future__ import annotations

import collections
import contextlib
import json
import re
import threading
import time
import urllib.parse

UID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
TIME = re.compile(r"\b20\d\d-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d)")
CLUSTER_IP = re.compile(r"\b10\.96\.\d+\.\d+\b")
TOKEN = re.compile(r"\bey[\w-]+\.[\w-]+\.[\w-]+")
NODE_PORTS = re.compile(r"(?<=:)3[0-2]\d{3}(?=/)")
AGE = re.compile(r"(\d+[smhdy])+|<unknown>|<invalid>")
#: What the admission plugin TaintNodesByCondition of a real server adds to every new node.
NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
_PORTS = frozenset({"nodePort", "healthCheckNodePort"})
_HEADERS = ("content-type", "warning", "retry-after")

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


class Exchange:
    """Questions to one server. ``answers`` holds what came back, masked, by name of the question.

    Attributes:
        ns: A namespace of this topic's own; ``services`` and so on are paths in it.

    """

    def __init__(self, server, topic):
        self._server = server
        self.ns = f"diff-{topic.replace('_', '-')}"
        self.answers: dict[str, object] = {}
        self._seen: dict[tuple[str, str], str] = {}
        self._counts: collections.Counter[tuple[str, str]] = collections.Counter()
        self._object = ""  # whose fields are being masked
        self._asked_ports: set[int] = set()

    def path(self, plural, group="", version="v1", *, ns=None):
        """Of a collection in this topic's namespace."""
        root = f"/apis/{group}/{version}" if group else f"/api/{version}"
        return f"{root}/namespaces/{ns or self.ns}/{plural}"

    def __enter__(self):
        body = {"metadata": {"name": self.ns}}
        self._server.request("POST", "/api/v1/namespaces", body)
        self._empty()
        return self

    def __exit__(self, *exc):
        self._empty()

    def _empty(self):
        for plural in ("services", "configmaps", "events", "pods", "secrets", "serviceaccounts"):
            for item in self._server.items(self.path(plural)):
                path = f"{self.path(plural)}/{item['metadata']['name']}"
                if item["metadata"].get("finalizers"):
                    none = {"metadata": {"finalizers": None}}
                    self._server.request("PATCH", path, none, content_type=MERGE)
                self._server.request("DELETE", path, {"gracePeriodSeconds": 0})
        self._server.request("DELETE", self.path("leases", "coordination.k8s.io"))
        self._server.request("DELETE", self.path("endpointslices", "discovery.k8s.io"))
        self._server.request("DELETE", f"/api/v1/nodes?labelSelector=topic%3D{self.ns}")

    # -- questions -------------------------------------------------------------------------

    def ask(self, name, method, path, body=None, *, type="application/json", only=None, **options):
        """Send a request and note the answer under ``name``; the answer as it came.

        ``only`` picks what of the answer is to be compared.
        """
        assert name not in self.answers, f"two questions named {name}"
        self._note_ports(body)
        answer = self._server.request(method, path, body, content_type=type, **options)
        headers = {key: answer.headers.get(key, "") for key in _HEADERS}
        if headers["warning"]:
            headers["warning"] = sorted(headers["warning"].split(", 299 - "))
        try:
            found = json.loads(answer.text)
            masked = self._mask(only(found) if only and answer.status < 300 else found)
        except ValueError:
            masked = answer.text.strip()
        self.answers[name] = {"status": answer.status, **headers, "body": masked}
        return answer

    def quietly(self, method, path, body=None, type="application/json"):
        """A request whose answer is not compared."""
        self._server.do(method, path, body, content_type=type)

    def wait_until_refused(self, method, path, body, *, token):
        """A real server knows a deleted account until its informer and its cache let it go."""
        deadline = time.monotonic() + 30
        while self._server.request(method, path, body, token=token).status < 300:
            assert time.monotonic() < deadline, f"{self._server.name}: {path} still answers"
            time.sleep(0.25)

    def get(self, name, path, **options):
        return self.ask(name, "GET", path, **options)

    def post(self, name, path, body, **options):
        return self.ask(name, "POST", path, body, **options)

    def put(self, name, path, body, **options):
        return self.ask(name, "PUT", path, body, **options)

    def patch(self, name, path, body, type=STRATEGIC, **options):
        return self.ask(name, "PATCH", path, body, type=type, **options)

    def delete(self, name, path, body=None, **options):
        return self.ask(name, "DELETE", path, body, **options)

    def watch(self, name, path, *, until=None, meanwhile=None, seconds=3, accept="", **query):
        """Watch until ``until(events)`` or ``seconds``; note and give the events.

        ``meanwhile`` is called once the watch has begun. Of bookmarks only the one that ends the
        initial events is noted: when others come is the server's choice.
        """
        found = []
        query = {"watch": "true", "timeoutSeconds": str(seconds), **query}
        url = f"{path}?{urllib.parse.urlencode(query)}"
        with self._server.stream(url, accept=accept) as stream:
            if meanwhile is not None:
                later = threading.Timer(0.2, meanwhile)
                later.start()
            deadline = time.monotonic() + seconds
            for line in stream.lines():
                found.append(json.loads(line))
                if (until and until(found)) or time.monotonic() > deadline:
                    break
            if meanwhile is not None:
                later.join()
        wanted = [
            event
            for event in found
            if event.get("type") != "BOOKMARK" or "annotations" in event["object"]["metadata"]
        ]
        head = {"status": stream.status, "content-type": stream.headers.get("content-type", "")}
        self.answers[name] = {**head, "body": [self._mask_event(event) for event in wanted]}
        return found

    # -- masks -----------------------------------------------------------------------------

    def _note_ports(self, body):
        """Ports that the question names are not masked."""
        if isinstance(body, dict):
            for key, value in body.items():
                if key in _PORTS and ("port", str(value)) not in self._seen:
                    self._asked_ports.add(value)
                self._note_ports(value)
        elif isinstance(body, list):
            for value in body:
                self._note_ports(value)

    def _alias(self, kind, value):
        if (kind, value) not in self._seen:
            self._counts[kind, self._object] += 1
            number = self._counts[kind, self._object]
            self._seen[kind, value] = f"{kind} {number} of {self._object}"
        return self._seen[kind, value]

    def _forget_ports(self, spec):
        """Forget those that the object gave up: another may get the same by chance."""
        held = {("port", str(port.get("nodePort"))) for port in spec["ports"]}
        held.add(("port", str(spec.get("healthCheckNodePort"))))
        for key in [key for key in self._seen if key[0] == "port" and key not in held]:
            if self._seen[key].endswith(f" of {self._object}"):
                del self._seen[key]

    def _mask_event(self, event):
        if "type" not in event or "object" not in event:
            return self._mask(event)  # a refusal
        obj = self._mask(event["object"])
        if event["type"] in {"BOOKMARK", "ERROR"} and isinstance(obj, dict):
            obj.get("metadata", {})["resourceVersion"] = "VERSION"
        return {"type": event["type"], "object": obj}

    def _mask(self, value, key=""):
        if isinstance(value, dict):
            return self._mask_dict(value)
        if isinstance(value, list):
            if key == "cells":
                return [
                    AGE.sub("AGE", c) if isinstance(c, str) and AGE.fullmatch(c) else self._mask(c)
                    for c in value
                ]
            return [self._mask(part, key) for part in value if part != NOT_READY]
        if key in _PORTS and value not in self._asked_ports:
            return self._alias("port", str(value))
        if isinstance(value, str):
            value = TIME.sub("TIME", TOKEN.sub("TOKEN", value))
            value = NODE_PORTS.sub("PORT", value)
            value = UID.sub(lambda found: self._alias("uid", found[0]), value)
            return CLUSTER_IP.sub(lambda found: self._alias("address", found[0]), value)
        return value

    def _mask_dict(self, value):
        meta = value.get("metadata")
        outside = self._object
        if isinstance(meta, dict):
            self._object = meta.get("generateName") or meta.get("name") or outside
        masked = self._masked_fields(value)
        if value.get("kind") == "Service" and (value.get("spec") or {}).get("ports"):
            self._forget_ports(value["spec"])
        self._object = outside
        return masked

    def _masked_fields(self, value):
        masked = {}
        of_list = str(value.get("kind", "")).endswith("List") or value.get("kind") == "Table"
        for key, part in value.items():
            if key == "managedFields" or part == [NOT_READY]:
                continue
            if key == "description" and "priority" in value:
                continue  # of a column
            if key == "metadata" and isinstance(part, dict):
                masked[key] = self._mask_meta(part, of_list=of_list)
            else:
                masked[key] = self._mask(part, key)
        return masked

    def _mask_meta(self, meta, *, of_list):
        masked = self._mask_dict(meta)
        if meta.get("continue"):
            masked["continue"] = "TOKEN"
        version = meta.get("resourceVersion")
        if version:
            # A list's version rises with every write to anything.
            masked["resourceVersion"] = "VERSION" if of_list else self._alias("version", version)
        if meta.get("generateName"):
            masked["name"] = f"{meta['generateName']}*"
        return masked


def compare(ours, theirs):
    """(field, ours, theirs) of every difference between two answers; where they end differently,
    only that."""
    if ours["status"] != theirs["status"]:
        return [("status", _outcome(ours), _outcome(theirs))]
    return list(differences(ours, theirs))


def _outcome(answer):
    body = answer["body"]
    reason = body.get("reason", "") if isinstance(body, dict) and answer["status"] >= 400 else ""
    return f"{answer['status']} {reason}".strip()


def differences(ours, theirs, path=""):
    """The fields in which two values differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        if _same_refusal(ours, theirs):
            return
        for key in sorted({*ours, *theirs}):
            here = f"{path}.{key}" if path else key
            yield from differences(ours.get(key, ABSENT), theirs.get(key, ABSENT), here)
    elif isinstance(ours, list) and isinstance(theirs, list):
        for n in range(max(len(ours), len(theirs))):
            pair = [side[n] if n < len(side) else ABSENT for side in (ours, theirs)]
            yield from differences(*pair, f"{path}[{n}]")
    elif ours != theirs or type(ours) is not type(theirs):
        yield path, ours, theirs


ABSENT = "(absent)"


def _same_refusal(ours, theirs):
    """Whether two Statuses refuse for the same reason, in whatever words."""
    if not ours.get("kind") == theirs.get("kind") == "Status":
        return False
    with contextlib.suppress(AttributeError):
        return _essence(ours) == _essence(theirs)
    return False


def _essence(status):
    details = dict(status.get("details") or {})
    causes = {(cause.get("reason"), cause.get("field")) for cause in details.pop("causes", [])}
    names = ("status", "reason", "code")
    return [status.get(name) for name in names], details, causes
