"""What every kind has in common: metadata, conflicts, deletion, lists, dry runs."""

from __future__ import annotations

import pytest
from apiserver_kube import NODES, STRATEGIC, SVC, Kube

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
CM = "/api/v1/namespaces/default/configmaps"


def names(answer):
    return [item["metadata"]["name"] for item in answer.body["items"]]


def test_a_new_object_gets_uid_version_and_time(kube):
    answer = kube.service("web")
    assert answer.status == 201
    assert answer.meta["uid"]
    assert answer.meta["resourceVersion"] == str(kube.version)
    assert answer.meta["creationTimestamp"] == "2026-01-01T00:00:00Z"
    assert answer.meta["namespace"] == "default"


def test_each_write_takes_the_next_version(kube):
    before = kube.version
    kube.service("a")
    kube.service("b")
    kube.patch(f"{SVC}/a", {"metadata": {"labels": {"x": "y"}}})
    assert kube.version == before + 3


def test_generated_names_are_unique_and_valid(kube):
    body = {"metadata": {"generateName": "job-"}}
    made = {kube.post(CM, body).meta["name"] for _ in range(20)}
    assert len(made) == 20
    assert all(name.startswith("job-") and len(name) == 9 for name in made)


def test_a_stale_put_is_a_conflict_in_the_servers_words(kube):
    stale = kube.service("web").body
    kube.patch(f"{SVC}/web", {"metadata": {"labels": {"x": "y"}}})
    answer = kube.put(f"{SVC}/web", stale)
    assert (answer.status, answer.body["reason"]) == (409, "Conflict")
    assert answer.body["message"] == (
        'Operation cannot be fulfilled on services "web": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert answer.body["details"] == {"name": "web", "kind": "services"}


def test_a_put_for_another_uid_is_a_conflict(kube):
    body = kube.service("web").body
    body["metadata"] |= {"uid": "other", "resourceVersion": ""}
    assert (
        kube.put(f"{SVC}/web", body)
        .body["message"]
        .endswith(
            f"UID in precondition: other, UID in object meta: {kube.get(f'{SVC}/web').meta['uid']}"
        )
    )


def test_a_patch_with_an_old_version_is_a_conflict_and_without_none_is_not(kube):
    kube.node()
    kube.patch(f"{NODES}/node-1", {"metadata": {"labels": {"a": "b"}}})
    stale = {"metadata": {"resourceVersion": "1"}, "spec": {"unschedulable": True}}
    assert kube.patch(f"{NODES}/node-1", stale, STRATEGIC).status == 409
    del stale["metadata"]
    assert kube.patch(f"{NODES}/node-1", stale, STRATEGIC).status == 200


def test_server_fields_cannot_be_written(kube):
    made = kube.service("web").meta
    change = {
        "creationTimestamp": None,
        "deletionTimestamp": "2020-01-01T00:00:00Z",
        "generation": 7,
    }
    answer = kube.patch(f"{SVC}/web", {"metadata": change})
    assert answer.status == 200
    assert answer.meta["creationTimestamp"] == made["creationTimestamp"]
    assert "deletionTimestamp" not in answer.meta


def test_deleting_waits_for_finalizers(kube):
    kube.service("web", metadata={"finalizers": ["example.com/a", "example.com/b"]})
    marked = kube.delete(f"{SVC}/web")
    assert marked.meta["deletionTimestamp"]
    assert marked.meta["deletionGracePeriodSeconds"] == 0
    again = kube.delete(f"{SVC}/web")
    assert again.meta["resourceVersion"] == marked.meta["resourceVersion"]
    assert kube.patch(f"{SVC}/web", {"metadata": {"finalizers": ["example.com/b"]}}).status == 200
    assert kube.get(f"{SVC}/web").status == 200
    assert kube.patch(f"{SVC}/web/status", {"metadata": {"finalizers": None}}).status == 200
    assert kube.get(f"{SVC}/web").status == 404


def test_a_finalizer_cannot_be_added_to_what_is_being_deleted(kube):
    kube.service("web", metadata={"finalizers": ["example.com/a"]})
    kube.delete(f"{SVC}/web")
    late = {"metadata": {"finalizers": ["example.com/a", "example.com/late"]}}
    answer = kube.patch(f"{SVC}/web", late)
    assert (answer.status, answer.causes) == (422, [("metadata.finalizers", "FieldValueForbidden")])


@pytest.mark.parametrize("name", ["uid", "resourceVersion"])
def test_deleting_with_a_wrong_precondition_is_a_conflict(kube, name):
    kube.node()
    answer = kube.delete(f"{NODES}/node-1", {"preconditions": {name: "1"}})
    assert (answer.status, answer.body["reason"]) == (409, "Conflict")
    assert kube.get(f"{NODES}/node-1").status == 200


def test_deleting_with_the_right_preconditions_succeeds(kube):
    meta = kube.node().meta
    wanted = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
    answer = kube.delete(f"{NODES}/node-1", {"preconditions": wanted})
    assert answer.body["status"] == "Success"
    assert answer.body["details"]["uid"] == meta["uid"]


def test_a_collection_is_deleted_by_selector(kube):
    for name, labels in (("a", {"x": "1"}), ("b", {"x": "2"}), ("c", {"x": "1"})):
        kube.post(CM, {"metadata": {"name": name, "labels": labels}})
    assert names(kube.delete(CM, labelSelector="x=1")) == ["a", "c"]
    assert names(kube.get(CM)) == ["b"]


def test_a_dry_run_answers_and_keeps_nothing(kube):
    before = kube.version
    made = kube.post(
        SVC, {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}, dryRun="All"
    )
    assert made.status == 201
    assert made.body["spec"]["clusterIP"] == "10.96.0.2"
    assert kube.version == before
    assert not made.reply.effect
    kube.service("web")
    changed = kube.patch(f"{SVC}/web", {"metadata": {"labels": {"x": "y"}}}, dryRun="All")
    assert changed.meta["labels"] == {"x": "y"}
    assert kube.delete(f"{SVC}/web", dryRun="All").status == 200
    assert "labels" not in kube.get(f"{SVC}/web").meta


def test_a_lease_is_created_by_put_and_needs_its_version_afterwards(kube):
    body = {"metadata": {"name": "l"}, "spec": {"holderIdentity": ""}}
    made = kube.put(f"{LEASES}/l", body)
    assert (made.status, made.body["spec"]) == (201, {"holderIdentity": ""})
    assert kube.put(f"{LEASES}/l", body).causes == [
        ("metadata.resourceVersion", "FieldValueInvalid")
    ]
    assert kube.put(f"{LEASES}/l", made.body).status == 200


def test_workloads_count_generations_of_their_spec(kube):
    path = "/apis/apps/v1/namespaces/default/deployments"
    pod = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": pod}
    assert kube.post(path, {"metadata": {"name": "d"}, "spec": spec}).meta["generation"] == 1
    kube.patch(f"{path}/d", {"metadata": {"labels": {"x": "y"}}})
    assert kube.get(f"{path}/d").meta["generation"] == 1
    kube.patch(f"{path}/d/scale", {"spec": {"replicas": 3}})
    scale = kube.get(f"{path}/d/scale").body
    assert (scale["kind"], scale["spec"]) == ("Scale", {"replicas": 3})
    changed = kube.get(f"{path}/d").body
    assert (changed["metadata"]["generation"], changed["spec"]["replicas"]) == (2, 3)


class TestLists:
    @pytest.fixture
    def kube(self):
        kube = Kube(namespaces=("kube-system",))
        for n in range(10):
            kube.node(f"n{n}", metadata={"name": f"n{n}", "labels": {"odd": str(n % 2)}})
        return kube

    def pages(self, kube, **query):
        found, token = [], ""
        while True:
            page = kube.get(NODES, **query, **({"continue": token} if token else {}))
            assert page.status == 200, page.body
            found.append(page)
            token = page.meta.get("continue", "")
            if not token:
                return found

    def test_pages_hold_the_limit_and_say_how_many_remain(self, kube):
        pages = self.pages(kube, limit="4")
        assert [len(page.body["items"]) for page in pages] == [4, 4, 2]
        assert [page.meta.get("remainingItemCount") for page in pages] == [6, 2, None]

    def test_pages_are_of_one_moment(self, kube):
        first = kube.get(NODES, limit="4")
        kube.delete(f"{NODES}/n9")
        kube.node("n55")
        rest = kube.get(NODES, limit="500", **{"continue": first.meta["continue"]})
        assert names(rest) == [f"n{n}" for n in range(4, 10)]
        assert rest.meta["resourceVersion"] == first.meta["resourceVersion"]

    def test_an_expired_page_token_is_410(self, kube):
        first = kube.get(NODES, limit="4")
        kube.node("n55")
        kube.server.expire_history()
        answer = kube.get(NODES, limit="4", **{"continue": first.meta["continue"]})
        assert (answer.status, answer.body["reason"]) == (410, "Expired")

    def test_a_broken_page_token_is_400(self, kube):
        assert kube.get(NODES, **{"continue": "foo"}).status == 400

    def test_a_list_can_be_of_an_exact_version(self, kube):
        version = str(kube.version)
        kube.delete(f"{NODES}/n0")
        exact = kube.get(NODES, resourceVersion=version, resourceVersionMatch="Exact")
        assert len(exact.body["items"]) == 10
        assert len(kube.get(NODES, resourceVersion=version).body["items"]) == 9

    def test_a_version_from_the_future_is_504(self, kube):
        answer = kube.get(NODES, resourceVersion=str(kube.version + 5))
        assert answer.status == 504
        assert answer.body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
        assert answer.reply.headers["retry-after"] == "1"

    def test_items_carry_no_kind_and_the_list_does(self, kube):
        body = kube.get(NODES).body
        assert (body["kind"], body["apiVersion"]) == ("NodeList", "v1")
        assert not {"kind", "apiVersion"} & set(body["items"][0])

    def test_a_list_is_in_the_order_of_its_keys_after_any_history(self, kube):
        kube.delete(f"{NODES}/n3")
        kube.node("a")
        kube.node("n33")
        assert names(kube.get(NODES)) == sorted(names(kube.get(NODES)))


class TestNamespaces:
    def test_content_needs_its_namespace(self, kube):
        answer = kube.post("/api/v1/namespaces/nosuch/configmaps", {"metadata": {"name": "x"}})
        assert (answer.status, answer.body["details"]["kind"]) == (404, "namespaces")

    def test_a_namespace_has_an_account_and_goes_with_its_content(self, kube):
        kube.post("/api/v1/namespaces", {"metadata": {"name": "team"}})
        team = "/api/v1/namespaces/team"
        assert names(kube.get(f"{team}/serviceaccounts")) == ["default"]
        kube.post(f"{team}/configmaps", {"metadata": {"name": "x"}})
        assert kube.delete(team).body["status"] == {"phase": "Terminating"}
        assert kube.get(team).status == 404
        assert names(kube.get("/api/v1/configmaps")) == []

    def test_it_waits_for_content_with_finalizers_and_takes_no_more(self, kube):
        kube.post("/api/v1/namespaces", {"metadata": {"name": "team"}})
        team = "/api/v1/namespaces/team"
        kept = {"name": "web", "finalizers": ["example.com/x"]}
        spec = {"ports": [{"port": 80}]}
        kube.post(f"{team}/services", {"metadata": kept, "spec": spec})
        kube.delete(team)
        assert kube.get(team).body["status"]["phase"] == "Terminating"
        refused = kube.post(f"{team}/configmaps", {"metadata": {"name": "x"}})
        assert (refused.status, refused.body["details"]["causes"][0]["reason"]) == (
            403,
            "NamespaceTerminating",
        )
        kube.patch(f"{team}/services/web", {"metadata": {"finalizers": None}})
        assert kube.get(team).status == 404
