"""Discovery, OpenAPI, tables, protobuf bodies, and the kubeconfig."""

from __future__ import annotations

import datetime

import pytest
import yaml
from apiserver_kube import NODES, SVC

from cloudprovider_sandbox.apiserver import protobuf, tables
from cloudprovider_sandbox.apiserver.kubeconfig import kubeconfig
from cloudprovider_sandbox.apiserver.resources import Catalogue

TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}


def test_groups_and_versions_are_listed(kube):
    assert kube.get("/api").body["versions"] == ["v1"]
    groups = [group["name"] for group in kube.get("/apis").body["groups"]]
    assert {"apps", "coordination.k8s.io", "discovery.k8s.io"} <= set(groups)
    assert kube.get("/apis/apps").body["preferredVersion"]["groupVersion"] == "apps/v1"


def test_resources_say_what_they_are(kube):
    found = {entry["name"]: entry for entry in kube.get("/api/v1").body["resources"]}
    assert found["services"]["shortNames"] == ["svc"]
    assert found["nodes"]["namespaced"] is False
    assert found["services/status"]["verbs"] == ["get", "patch", "update"]
    assert found["serviceaccounts/token"]["kind"] == "TokenRequest"


def test_aggregated_discovery_is_given_where_it_is_asked_for(kube):
    accept = {"accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
    answer = kube.get("/apis", headers=accept)
    assert answer.body["kind"] == "APIGroupDiscoveryList"
    assert "apidiscovery" in answer.reply.headers["content-type"]
    (core,) = kube.get("/api", headers=accept).body["items"]
    assert core["versions"][0]["version"] == "v1"


@pytest.mark.parametrize(("group", "version"), Catalogue().group_versions())
def test_openapi_has_every_kind_with_field_validation(kube, group, version):
    path = f"apis/{group}/{version}" if group else f"api/{version}"
    assert path in kube.get("/openapi/v3").body["paths"]
    document = kube.get(f"/openapi/v3/{path}").body
    kinds = {
        schema["x-kubernetes-group-version-kind"][0]["kind"]
        for schema in document["components"]["schemas"].values()
    }
    assert kinds == {resource.kind for resource in Catalogue().of(group, version)}
    for operations in document["paths"].values():
        names = (
            [parameter["name"] for parameter in operations["post"]["parameters"]]
            if "post" in operations
            else ["fieldValidation"]
        )
        assert "fieldValidation" in names


@pytest.mark.parametrize("path", ["/openapi/v3/apis/nosuch/v1", "/openapi/v3/foo", "/apis/nosuch"])
def test_what_is_not_there_is_404(kube, path):
    assert kube.reply("GET", path).status == 404


class TestTables:
    def cells(self, kube, path):
        body = kube.get(path, headers=TABLE).body
        titles = [column["name"] for column in body["columnDefinitions"]]
        return [dict(zip(titles, row["cells"], strict=True)) for row in body["rows"]]

    def test_services(self, kube):
        kube.service("web", type="LoadBalancer", selector={"a": "b"})
        row = self.cells(kube, f"{SVC}/web")[0]
        assert row == {
            "Name": "web",
            "Type": "LoadBalancer",
            "Cluster-IP": "10.96.0.2",
            "External-IP": "<pending>",
            "Port(s)": "80:30000/TCP",
            "Age": "0s",
            "Selector": "a=b",
        }

    @pytest.mark.parametrize(
        ("spec", "conditions", "text"),
        [
            ({}, [{"type": "Ready", "status": "True"}], "Ready"),
            ({}, [{"type": "Ready", "status": "Unknown"}], "NotReady"),
            ({}, [], "Unknown"),
            (
                {"unschedulable": True},
                [{"type": "Ready", "status": "True"}],
                "Ready,SchedulingDisabled",
            ),
        ],
        ids=["ready", "not ready", "unknown", "cordoned"],
    )
    def test_nodes(self, kube, spec, conditions, text):
        labels = {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "extra"}
        addresses = [{"type": "InternalIP", "address": "10.0.0.1"}]
        kube.node(
            metadata={"name": "n", "labels": labels},
            spec=spec,
            status={"conditions": conditions, "addresses": addresses},
        )
        row = self.cells(kube, NODES)[0]
        assert (row["Status"], row["Roles"], row["Internal-IP"]) == (
            text,
            "extra,worker",
            "10.0.0.1",
        )

    @pytest.mark.parametrize(
        "resource", [r for r in Catalogue().resources if r.stored and not r.stored_as]
    )
    def test_every_kind_has_as_many_cells_as_columns(self, resource):
        obj = {"metadata": {"name": "x"}, "spec": {}, "status": {}}
        now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        row = tables.row(resource, obj, "None", now)
        assert len(row["cells"]) == len(tables.columns(resource))

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (0, "0s"), (119, "119s"), (120, "2m"), (185, "3m5s"), (600, "10m"), (10799, "179m"),
            (10800, "3h"), (11160, "3h6m"), (86400, "24h"), (172800, "2d"), (180000, "2d2h"),
            (864000, "10d"), (63072000, "2y"), (-5, "<invalid>"),
        ],
    )  # fmt: skip
    def test_ages(self, seconds, text):
        assert tables.short_duration(seconds) == text


def test_only_metadata_where_that_is_asked_for(kube):
    accept = {"accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
    body = kube.get(SVC, headers=accept).body
    assert body["kind"] == "PartialObjectMetadataList"
    assert set(body["items"][0]) == {"kind", "apiVersion", "metadata"}


def test_events_can_be_read_in_their_newer_form(kube):
    event = {"metadata": {"name": "e"}, "message": "m", "involvedObject": {"name": "web"}}
    kube.post("/api/v1/namespaces/default/events", event)
    newer = "/apis/events.k8s.io/v1/namespaces/default/events"
    body = kube.get(f"{newer}/e").body
    assert (body["apiVersion"], body["note"], body["regarding"]) == (
        "events.k8s.io/v1", "m", {"name": "web"},
    )  # fmt: skip
    assert kube.get(newer).body["items"][0]["note"] == "m"
    assert kube.post(newer, event).status == 405


def test_unknown_fields_are_a_warning_or_an_error(kube):
    body = {"metadata": {"name": "w"}, "spec": {"ports": [{"port": 80, "foo": 1}]}}
    warned = kube.post(SVC, body, dryRun="All")
    assert warned.reply.headers["warning"] == '299 - "unknown field \\"spec.ports[0].foo\\""'
    assert "foo" not in warned.body["spec"]["ports"][0]
    assert "warning" not in kube.post(SVC, body, fieldValidation="Ignore").reply.headers
    assert kube.post(SVC, body, fieldValidation="Strict").status == 400


class TestProtobuf:
    """Messages as kubectl encodes them: tag, length, value."""

    @staticmethod
    def text(number, value):
        data = value if isinstance(value, bytes) else value.encode()
        return bytes([number << 3 | 2, len(data)]) + data

    def envelope(self, kind, raw, version="v1"):
        meta = self.text(1, self.text(1, version) + self.text(2, kind))
        return protobuf.MAGIC + meta + self.text(2, raw)

    def service(self):
        port = self.text(1, "http") + self.text(2, "TCP") + bytes([3 << 3, 80])
        port += self.text(4, bytes([1 << 3, 0, 2 << 3, 0x90, 0x3F]))
        selector = self.text(1, "app") + self.text(2, "web")
        spec = self.text(1, port) + self.text(2, selector) + self.text(4, "ClusterIP")
        return self.text(1, self.text(1, "web") + self.text(2, "")) + self.text(2, spec)

    def test_a_service(self):
        assert protobuf.decode(self.envelope("Service", self.service())) == {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web"},
            "spec": {
                "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}],
                "selector": {"app": "web"},
                "type": "ClusterIP",
            },
        }

    def test_it_can_be_created(self, kube):
        body = self.envelope("Service", self.service())
        answer = kube.post(SVC, body, type="application/vnd.kubernetes.protobuf")
        assert (answer.status, answer.body["spec"]["ports"][0]["targetPort"]) == (201, 8080)
        assert kube.server.journal.records()[-1].key == "default/web"

    @pytest.mark.parametrize("kind", ["", "Nosuch"])
    def test_an_unknown_kind_is_415(self, kube, kind):
        body = self.envelope(kind, b"")
        answer = kube.post(SVC, body, type="application/vnd.kubernetes.protobuf")
        assert answer.status == 415

    @pytest.mark.parametrize("body", [b"", b"k8s\0\xff", b"k8s\0\x0b", b"nonsense"])
    def test_garbage_is_400_or_415(self, kube, body):
        answer = kube.post(SVC, body, type="application/vnd.kubernetes.protobuf")
        assert answer.status in {400, 415}


def test_a_kubeconfig_names_server_token_and_authority():
    config = yaml.safe_load(kubeconfig("https://127.0.0.1:1", token="t", ca=b"PEM"))
    assert config["clusters"][0]["cluster"] == {
        "server": "https://127.0.0.1:1",
        "certificate-authority-data": "UEVN",
    }
    assert config["users"][0]["user"] == {"token": "t"}
    assert config["current-context"] == config["contexts"][0]["name"]
