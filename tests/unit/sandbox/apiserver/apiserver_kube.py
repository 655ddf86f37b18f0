"""A short way to talk to an API server without sockets, on virtual time."""

from __future__ import annotations

import dataclasses
import json
import urllib.parse

from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_sandbox.apiserver.messages import Reply, Request
from cloudprovider_sandbox.apiserver.server import ApiServer, Options

CORE = "/api/v1"
SVC = "/api/v1/namespaces/default/services"
NODES = "/api/v1/nodes"
STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"


@dataclasses.dataclass
class Answer:
    """A reply, decoded."""

    reply: Reply
    status: int
    body: dict

    @property
    def meta(self):
        return self.body["metadata"]

    @property
    def causes(self):
        """(field, reason) of each cause of a refusal."""
        causes = self.body.get("details", {}).get("causes", [])
        return [(cause["field"], cause["reason"]) for cause in causes]


class Kube:
    """A server and its virtual clock."""

    def __init__(self, **options):
        self.hub = VirtualConcurrency()
        keywords = {
            name: options.pop(name) for name in ("authorizer", "on_crash") if name in options
        }
        self.server = ApiServer(Options(**options), concurrency=self.hub, **keywords)

    def reply(self, method, path, body=None, *, type="application/json", headers=None, **query):
        path, _, text = path.partition("?")
        asked = dict(urllib.parse.parse_qsl(text, keep_blank_values=True)) | query
        data = (
            b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        )
        sent = {"content-type": type, "user-agent": "tester/1", **(headers or {})}
        return self.server.handle(Request(method, path, asked, sent, data))

    def call(self, method, path, body=None, **options):
        reply = self.reply(method, path, body, **options)
        return Answer(reply, reply.status, json.loads(reply.body or b"{}"))

    def get(self, path, **options):
        return self.call("GET", path, **options)

    def post(self, path, body, **options):
        return self.call("POST", path, body, **options)

    def put(self, path, body, **options):
        return self.call("PUT", path, body, **options)

    def patch(self, path, body, type=MERGE, **options):
        return self.call("PATCH", path, body, type=type, **options)

    def delete(self, path, body=None, **options):
        return self.call("DELETE", path, body, **options)

    def watch(self, path, **query):
        """The stream of a watch."""
        reply = self.reply("GET", path, watch="true", **query)
        assert reply.status == 200, reply.body
        return reply.stream

    def service(self, name="web", *, metadata=None, **spec):
        """Create a Service with one port."""
        spec = {"ports": [{"port": 80}], **spec}
        return self.post(SVC, {"metadata": {"name": name, **(metadata or {})}, "spec": spec})

    def node(self, name="node-1", **fields):
        """Create a Node."""
        return self.post(NODES, {"metadata": {"name": name}, **fields})

    @property
    def version(self):
        return self.server.store.version


def events(chunk):
    """(type, name, version) of the events in a chunk of a watch."""
    decoded = [json.loads(line) for line in (chunk or b"").splitlines()]
    return [
        (
            event["type"],
            event["object"]["metadata"].get("name", ""),
            event["object"]["metadata"].get("resourceVersion", ""),
        )
        for event in decoded
    ]
