"""Server-side apply: who owns what, conflicts, and what goes when nobody wants it."""

from __future__ import annotations

import pytest
from apiserver_kube import APPLY, MERGE, SVC


def config(*ports, name="web", labels=None, **spec):
    meta = {"name": name, **({"labels": labels} if labels else {})}
    if ports:
        spec["ports"] = list(ports)
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def applied(kube, manager, body, **query):
    return kube.patch(f"{SVC}/web", body, APPLY, fieldManager=manager, **query)


def managers(answer):
    return {(entry["manager"], entry["operation"]) for entry in answer.meta["managedFields"]}


def test_an_absent_object_is_created(kube):
    answer = applied(kube, "one", config({"port": 80}))
    assert answer.status == 201
    assert managers(answer) == {("one", "Apply")}


def test_applying_the_same_again_writes_nothing(kube):
    applied(kube, "one", config({"port": 80}))
    before = kube.version
    answer = applied(kube, "one", config({"port": 80}))
    assert (answer.status, answer.reply.effect, kube.version) == (200, False, before)


def test_yaml_is_accepted(kube):
    text = b"apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n"
    assert applied(kube, "one", text).status == 201


def test_a_conflict_names_manager_and_field(kube):
    applied(kube, "one", config({"port": 80, "name": "a"}))
    answer = applied(kube, "two", config({"port": 80, "name": "b"}))
    assert (answer.status, answer.body["reason"]) == (409, "Conflict")
    assert answer.body["message"] == (
        'Apply failed with 1 conflict: conflict with "one": '
        '.spec.ports[port=80,protocol="TCP"].name'
    )
    assert answer.causes == [('.spec.ports[port=80,protocol="TCP"].name', "FieldManagerConflict")]


def test_the_same_value_is_shared_without_conflict(kube):
    applied(kube, "one", config({"port": 80, "name": "a"}))
    answer = applied(kube, "two", config({"port": 80, "name": "a"}))
    assert (answer.status, managers(answer)) == (200, {("one", "Apply"), ("two", "Apply")})


def test_force_takes_the_field_over(kube):
    applied(kube, "one", config({"port": 80, "name": "a"}))
    answer = applied(kube, "two", config({"port": 80, "name": "b"}), force="true")
    assert answer.body["spec"]["ports"][0]["name"] == "b"
    again = applied(kube, "one", config({"port": 80, "name": "a"}))
    assert again.status == 409


@pytest.mark.parametrize(
    ("kept", "ports"),
    [(config({"port": 80, "name": "a"}), [80]), (config({"port": 443, "name": "b"}), [443])],
    ids=["first kept", "second kept"],
)
def test_what_a_manager_stops_applying_goes(kube, kept, ports):
    applied(kube, "one", config({"port": 80, "name": "a"}, {"port": 443, "name": "b"}))
    answer = applied(kube, "one", kept)
    assert [port["port"] for port in answer.body["spec"]["ports"]] == ports


def test_what_another_manager_owns_too_stays(kube):
    both = config({"port": 80}, labels={"x": "y"})
    applied(kube, "one", both)
    applied(kube, "two", both)
    assert applied(kube, "one", config({"port": 80})).meta["labels"] == {"x": "y"}
    assert "labels" not in applied(kube, "two", config({"port": 80})).meta


def test_an_ordinary_update_owns_what_it_changes(kube):
    applied(kube, "one", config({"port": 80}, labels={"x": "1"}))
    kube.patch(f"{SVC}/web", {"metadata": {"labels": {"x": "2"}}}, MERGE, fieldManager="three")
    answer = applied(kube, "one", config({"port": 80}, labels={"x": "1"}))
    assert answer.body["message"] == (
        'Apply failed with 1 conflict: conflict with "three" using v1: .metadata.labels.x'
    )


def test_the_status_has_owners_of_its_own(kube):
    kube.service("web", type="LoadBalancer")
    status = {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "status": status}
    answer = kube.patch(f"{SVC}/web/status", body, APPLY, fieldManager="ccm")
    assert answer.body["status"]["loadBalancer"]["ingress"] == [{"ip": "1.2.3.4", "ipMode": "VIP"}]
    entry = next(e for e in answer.meta["managedFields"] if e["manager"] == "ccm")
    assert entry["subresource"] == "status"
    assert entry["fieldsV1"] == {"f:status": {"f:loadBalancer": {"f:ingress": {}}}}


def test_managed_fields_can_be_reset_by_an_empty_list(kube):
    applied(kube, "one", config({"port": 80}))
    answer = kube.patch(f"{SVC}/web", {"metadata": {"managedFields": []}}, MERGE)
    assert "managedFields" not in answer.meta


@pytest.mark.parametrize(
    ("body", "query", "status"),
    [
        (config({"port": 80}), {}, 422),
        (b"- a\n", {"fieldManager": "x"}, 400),
        (b"a: [", {"fieldManager": "x"}, 400),
        (
            config() | {"metadata": {"name": "web", "managedFields": [{"manager": "x"}]}},
            {"fieldManager": "x"},
            400,
        ),
        (config(foo=1), {"fieldManager": "x"}, 500),
        (config() | {"spec": {"ports": {}}}, {"fieldManager": "x"}, 400),
        (config() | {"metadata": {"name": "web", "uid": "x"}}, {"fieldManager": "x"}, 409),
        ({"metadata": {"name": "web"}}, {"fieldManager": "x"}, 400),
        (config() | {"metadata": {"name": "other"}}, {"fieldManager": "x"}, 400),
    ],
    ids=[
        "no manager",
        "a list",
        "broken",
        "managed fields",
        "unknown field",
        "wrong type",
        "uid",
        "no kind",
        "another name",
    ],
)
def test_refusals(kube, body, query, status):
    assert kube.patch(f"{SVC}/web", body, APPLY, **query).status == status


def test_the_status_of_an_absent_object_cannot_be_applied(kube):
    assert kube.patch(f"{SVC}/web/status", config(), APPLY, fieldManager="x").status == 404
