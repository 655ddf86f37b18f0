"""What the provider writes on Services is for one Service, not for whoever has its name."""

import json

import msgspec
import pytest

from cloudprovider import models
from cloudprovider.errors import CloudProviderError
from cloudprovider_alicloud.service_marks import ServiceMarks
from cloudprovider_controllers.runtime.transport import Response

LABEL = "service.beta.kubernetes.io/loadbalancer-id"
SERVICE = models.Service(metadata=models.ObjectMeta(name="web", namespace="default", uid="old"))


class Server:
    """Answers a patch and a read as told."""

    def __init__(self, patch, read):
        self._answers = {"PATCH": (patch, {}), "GET": read}
        self.requests = []

    def answer_patch(self, status, answer):
        self._answers["PATCH"] = (status, answer)

    def raw(self, method, path, *, body=None, content_type=""):
        del body, content_type
        self.requests.append((method, path))
        status, answer = self._answers[method]
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return Response(status, {}, data)


def found(uid):
    return 200, {"metadata": {"name": "web", "uid": uid}}


@pytest.mark.parametrize(
    ("patch", "read", "refused"),
    [
        pytest.param(200, None, False, id="done"),
        pytest.param(404, None, False, id="gone"),
        pytest.param(422, found("new"), False, id="another-one"),
        pytest.param(409, found("new"), False, id="another-one-by-conflict"),
        pytest.param(422, (404, {}), False, id="gone-meanwhile"),
        pytest.param(422, found("old"), True, id="the-same-refused-for-another-reason"),
        pytest.param(422, (500, {}), True, id="nobody-knows"),
        pytest.param(422, (200, b"no JSON"), True, id="an-answer-without-sense"),
        pytest.param(403, None, True, id="forbidden"),
        pytest.param(500, None, True, id="failed"),
    ],
)
def test_a_label_for_a_service_that_is_gone_is_no_error(patch, read, refused):
    server = Server(patch, read or (500, {}))
    marks = ServiceMarks(server)
    if refused:
        with pytest.raises(CloudProviderError, match=f"answered {patch} to labels"):
            marks.label(SERVICE, {"a": None})
    else:
        marks.label(SERVICE, {"a": None})
    assert server.requests[0] == ("PATCH", "/api/v1/namespaces/default/services/web/status")
    reads = [("GET", "/api/v1/namespaces/default/services/web")] if read else []
    assert server.requests[1:] == reads


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"kind": "Status", "message": 'admission webhook "x" denied the request'}, 'webhook "x"'),
        ({"kind": "Status"}, "of Service default/web$"),
        (b"<html>", "of Service default/web$"),
    ],
    ids=["a-webhook", "no-message", "a-page"],
)
def test_why_the_api_server_refused_is_told(answer, said):
    server = Server(400, (500, {}))
    server.answer_patch(400, answer)
    with pytest.raises(CloudProviderError, match=said):
        ServiceMarks(server).label(SERVICE, {"a": None})


class Live:
    """An API server with one Service, of which it refuses every version but the one it has."""

    def __init__(self, changes):
        self._changes = changes  #: what others do to it, each just before a patch
        self.service = {"metadata": {"uid": "old", "resourceVersion": "1"}, "spec": BALANCED}
        self.patches = []

    def raw(self, method, path, *, body=None, content_type=""):
        del path, content_type
        if method == "GET":
            return Response(200, {}, json.dumps(self.service).encode())
        metadata = json.loads(body)["metadata"]
        self.patches.append(metadata.get("resourceVersion"))
        if self._changes:
            self._edit(self._changes.pop(0))
        now = self.service["metadata"]
        if metadata.get("resourceVersion") not in {now["resourceVersion"], None}:
            return Response(409, {}, b"{}")
        now["labels"] = metadata["labels"]
        return Response(200, {}, b"{}")

    def _edit(self, change):
        if change is not None:
            meta = self.service["metadata"]
            meta["resourceVersion"] = str(int(meta["resourceVersion"]) + 1)
            self.service = {"metadata": meta, "spec": {**self.service["spec"], **change}}


BALANCED = {"type": "LoadBalancer"}
TAKEN = {"loadBalancerClass": "example.com/other"}


@pytest.mark.parametrize(
    ("changes", "value", "patches", "labelled"),
    [
        pytest.param([], "lb-1", ["1"], True, id="as-it-was"),
        pytest.param([{}], "lb-1", ["1", "2"], True, id="something-else-changed"),
        pytest.param([{}, {}], "lb-1", ["1", "2", "3"], True, id="and-once-more"),
        pytest.param([TAKEN], "lb-1", ["1"], False, id="another-controllers-by-now"),
        pytest.param([{"type": "NodePort"}], "lb-1", ["1"], False, id="wants-none-by-now"),
        pytest.param([None, TAKEN], "lb-1", ["1"], True, id="taken-later"),
        pytest.param([TAKEN], None, [None], True, id="ours-taken-away-from-it"),
    ],
)
def test_a_label_is_for_the_type_and_class_that_were_looked_at(changes, value, patches, labelled):
    server = Live(list(changes))
    service = msgspec.convert(server.service, models.Service)
    ServiceMarks(server).label(service, {LABEL: value})
    assert server.patches == patches
    assert ("labels" in server.service["metadata"]) is labelled


def test_a_service_that_changes_all_the_time_is_told():
    server = Live([{}] * 100)
    service = msgspec.convert(server.service, models.Service)
    with pytest.raises(CloudProviderError, match="answered 409 to labels"):
        ServiceMarks(server).label(service, {LABEL: "lb-1"})
    assert len(server.patches) == 5
