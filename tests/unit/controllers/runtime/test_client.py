"""Requests: their paths and bodies, and what answers and errors become."""

import datetime
import json

import pytest

from cloudprovider import models
from cloudprovider_controllers.runtime import errors
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.resources import ENDPOINT_SLICES, NODES, SERVICES, Resource
from cloudprovider_controllers.runtime.transport import TransportError

OBJECT = {"metadata": {"name": "n", "resourceVersion": "3"}}


# -- paths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resource", "arguments", "path"),
    [
        (NODES, (), "/api/v1/nodes"),
        (NODES, ("", "n1"), "/api/v1/nodes/n1"),
        (NODES, ("", "n1", "status"), "/api/v1/nodes/n1/status"),
        (SERVICES, (), "/api/v1/services"),
        (SERVICES, ("ns",), "/api/v1/namespaces/ns/services"),
        (SERVICES, ("ns", "a", "status"), "/api/v1/namespaces/ns/services/a/status"),
        (ENDPOINT_SLICES, (), "/apis/discovery.k8s.io/v1/endpointslices"),
        (SERVICES, ("n/s", "a?b"), "/api/v1/namespaces/n%2Fs/services/a%3Fb"),
    ],
)
def test_paths(resource, arguments, path):
    assert resource.path(*arguments) == path


@pytest.mark.parametrize(
    ("resource", "arguments"), [(SERVICES, ("", "a")), (NODES, ("ns", "a"))], ids=["none", "extra"]
)
def test_a_path_with_a_wrong_namespace_is_a_mistake(resource, arguments):
    with pytest.raises(ValueError, match="namespace"):
        resource.path(*arguments)


def test_a_resource_of_ones_own_can_be_declared(virtually, scripted, answer):
    def main():
        widgets = Resource("example.org", "v1", "widgets", "Widget", False, models.Object)
        transport = scripted(answer(200, OBJECT))
        assert Client(transport).get(widgets, "w").kind == "Widget"
        assert transport.requests[0]["path"] == "/apis/example.org/v1/widgets/w"

    virtually(main)


# -- what goes out -------------------------------------------------------------------------------


def calls(client):
    client.get(NODES, "n")
    client.create(SERVICES, {"metadata": {"name": "s"}}, "ns")
    client.update(NODES, "n", {"metadata": {"name": "n"}})
    client.patch(
        SERVICES, "s", {"metadata": {"finalizers": None}}, namespace="ns", subresource="status"
    )
    client.patch(NODES, "n", {"a": 1}, patch_type="merge")
    client.patch(NODES, "n", [{"op": "test"}], patch_type="json")
    client.delete(NODES, "n", uid="u", resource_version="7")
    client.delete(NODES, "n")


def test_requests_and_their_bodies(virtually, scripted, answer):
    def main():
        transport = scripted(answer(200, OBJECT))
        calls(Client(transport))
        service = "/api/v1/namespaces/ns/services"
        options = {"kind": "DeleteOptions", "apiVersion": "v1"}
        head = {"apiVersion": "v1"}
        assert [(r["method"], r["path"], r["body"]) for r in transport.requests] == [
            ("GET", "/api/v1/nodes/n", None),
            ("POST", service, {**head, "kind": "Service", "metadata": {"name": "s"}}),
            ("PUT", "/api/v1/nodes/n", {**head, "kind": "Node", "metadata": {"name": "n"}}),
            ("PATCH", f"{service}/s/status", {"metadata": {"finalizers": None}}),
            ("PATCH", "/api/v1/nodes/n", {"a": 1}),
            ("PATCH", "/api/v1/nodes/n", [{"op": "test"}]),
            (
                "DELETE",
                "/api/v1/nodes/n",
                {**options, "preconditions": {"uid": "u", "resourceVersion": "7"}},
            ),
            ("DELETE", "/api/v1/nodes/n", options),
        ]
        types = [r["headers"].get("content-type") for r in transport.requests]
        assert types[3:6] == [
            "application/strategic-merge-patch+json",
            "application/merge-patch+json",
            "application/json-patch+json",
        ]

    virtually(main)


def test_a_raw_read_keeps_every_field(virtually, scripted, answer):
    def main():
        body = {**OBJECT, "status": {"unknown": [1]}}
        assert Client(scripted(answer(200, body))).get_raw(NODES, "n") == body

    virtually(main)


def test_a_list_comes_in_pages_and_leaves_out_what_is_bad(virtually, scripted, answer, caplog):
    def page(names, more):
        items = [
            {"metadata": {"name": n}, "spec": {"taints": 5} if n == "bad" else {}} for n in names
        ]
        return answer(200, {"metadata": {"resourceVersion": "9", "continue": more}, "items": items})

    def main():
        empty = answer(200, {"metadata": {"resourceVersion": "9"}, "items": None})
        transport = scripted(page(["a", "bad"], "t1"), page(["b"], "t2"), empty)
        found = Client(transport).list(NODES, label_selector="x=y")
        assert [node.key for node in found] == ["a", "b"]
        assert [r["query"].get("continue") for r in transport.requests] == [None, "t1", "t2"]
        assert transport.requests[0]["query"] == {"labelSelector": "x=y", "limit": "500"}
        assert "Node bad left out of a list" in caplog.text

    virtually(main)


def test_a_token_is_asked_for_and_never_shown(virtually, scripted, answer):
    def main():
        status = {"token": "secret", "expirationTimestamp": "2026-01-01T01:00:00Z"}
        transport = scripted(answer(201, {"status": status}))
        token = Client(transport).create_token("node-controller", "kube-system", 3600)
        assert token.token == "secret"
        assert token.expires == datetime.datetime(2026, 1, 1, 1, tzinfo=datetime.UTC)
        assert "secret" not in repr(token)
        (request,) = transport.requests
        path = "/api/v1/namespaces/kube-system/serviceaccounts/node-controller/token"
        assert request["path"] == path
        assert request["body"] == {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "spec": {"expirationSeconds": 3600},
        }

    virtually(main)


def test_a_token_that_is_not_understood_is_not_quoted(virtually, scripted, answer):
    def main():
        client = Client(scripted(answer(201, {"status": {"token": ["s3cret"]}})))
        with pytest.raises(errors.MalformedResponse) as caught:
            client.create_token("a", "ns")
        assert "s3cret" not in str(caught.value)
        assert caught.value.__cause__ is None

    virtually(main)


# -- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (400, "BadRequest", errors.BadRequest),
        (401, "Unauthorized", errors.Unauthorized),
        (403, "Forbidden", errors.Forbidden),
        (404, "NotFound", errors.NotFound),
        (409, "Conflict", errors.Conflict),
        (409, "AlreadyExists", errors.AlreadyExists),
        (409, "", errors.Conflict),
        (410, "Expired", errors.Gone),
        (410, "Gone", errors.Gone),
        (422, "Invalid", errors.Invalid),
        (500, "InternalError", errors.ApiError),
        (418, "", errors.ApiError),
    ],
)
def test_what_a_refusal_becomes(virtually, scripted, refusal, status, reason, kind):
    def main():
        with pytest.raises(errors.ApiError) as caught:
            Client(scripted(refusal(status, reason, "because"))).get(NODES, "n")
        assert type(caught.value) is kind
        assert caught.value.status == status
        assert str(caught.value).startswith("because (")

    virtually(main)


@pytest.mark.parametrize("body", [b"", b"<html>bad gateway</html>", b"[]", b"\xff"])
def test_a_refusal_without_a_status_object(virtually, scripted, answer, body):
    def main():
        with pytest.raises(errors.ApiError, match="API server answered 502"):
            Client(scripted(answer(502, body))).get(NODES, "n")

    virtually(main)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"metadata": 3}'])
def test_an_answer_that_is_not_understood(virtually, scripted, answer, body):
    def main():
        with pytest.raises(errors.MalformedResponse):
            Client(scripted(answer(200, body))).get(NODES, "n")

    virtually(main)


# -- nulls, other reads and watches --------------------------------------------------------------


def test_null_goes_out_as_null(virtually, scripted, answer):
    def main():
        sent = []

        def look(request):
            sent.append(json.dumps(request["body"]))
            return answer(200, OBJECT)

        Client(scripted(look)).patch(NODES, "n", {"spec": {"taints": None}})
        assert sent == ['{"spec": {"taints": null}}']

    virtually(main)


@pytest.mark.parametrize("ask", ["list", "get_raw"])
def test_other_reads_that_are_not_understood(virtually, scripted, answer, ask):
    def main():
        client = Client(scripted(answer(200, b"<html>")))
        with pytest.raises(errors.MalformedResponse):
            client.list(NODES) if ask == "list" else client.get_raw(NODES, "n")

    virtually(main)


@pytest.mark.parametrize(
    ("lines", "then", "says"),
    [
        (
            [b'{"code":403,"reason":"Forbidden","message":"not you"}'],
            None,
            r"not you \(403 Forbidden\)",
        ),
        ([], TransportError("cut"), "API server answered 403"),
    ],
    ids=["with a reason", "cut off"],
)
def test_a_watch_that_is_refused_says_why_and_is_closed(virtually, fake_api, lines, then, says):
    def main():
        api = fake_api()
        refused = api.lines(*lines, then=then)
        refused.status = 403
        api.stream = lambda *_, **__: refused
        with pytest.raises(errors.Forbidden, match=says):
            Client(api).watch(NODES, {}, read_timeout=1)
        assert refused.closed

    virtually(main)
