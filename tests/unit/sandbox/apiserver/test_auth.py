"""Who may call: tokens, ServiceAccount tokens, impersonation, reviews and RBAC."""

from __future__ import annotations

import base64
import json

import pytest
from apiserver_kube import NODES, SVC, Kube

from cloudprovider_sandbox.apiserver.auth import User
from cloudprovider_sandbox.apiserver.rbac import RbacAuthorizer

RBAC = "/apis/rbac.authorization.k8s.io/v1"
AUTHZ = "/apis/authorization.k8s.io/v1"
ADMIN = {"authorization": "Bearer admin-token"}
JOE = {"authorization": "Bearer joe-token"}


@pytest.fixture
def closed():
    """A server that wants a token and asks RBAC."""
    tokens = {
        "admin-token": User("admin", ("system:masters",)),
        "joe-token": User("joe", ("system:authenticated", "team")),
    }
    kube = Kube(tokens=tokens)
    kube.server.authorizer = RbacAuthorizer(kube.server.store)
    return kube


def token_for(kube, name, headers=None, **spec):
    path = f"/api/v1/namespaces/kube-system/serviceaccounts/{name}"
    return kube.post(f"{path}/token", {"spec": spec}, headers=headers)


def grant(kube, verbs, resources, *, subjects, namespace="", groups=("",), names=()):
    rule = {"verbs": verbs, "resources": resources, "apiGroups": list(groups)}
    if names:
        rule["resourceNames"] = list(names)
    where = f"{RBAC}/namespaces/{namespace}" if namespace else RBAC
    kind = "Role" if namespace else "ClusterRole"
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "r"}
    role = {"metadata": {"name": "r"}, "rules": [rule]}
    binding = {"metadata": {"name": "b"}, "roleRef": ref, "subjects": subjects}
    plural = kind.lower()
    assert kube.post(f"{where}/{plural}s", role, headers=ADMIN).status == 201
    assert kube.post(f"{where}/{plural}bindings", binding, headers=ADMIN).status == 201


def test_an_open_server_takes_everybody_for_the_administrator(kube):
    answer = kube.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    assert "system:masters" in answer.body["status"]["userInfo"]["groups"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"authorization": "Bearer wrong"}, 401), (ADMIN, 200)],
    ids=["none", "wrong", "right"],
)
def test_a_closed_server_wants_a_token(closed, headers, status):
    answer = closed.get(NODES, headers=headers)
    assert answer.status == status
    if status == 401:
        assert answer.body["reason"] == "Unauthorized"


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/version"])
def test_health_and_version_need_no_token(closed, path):
    assert closed.reply("GET", path).status == 200


def test_a_service_account_token_is_accepted_until_it_expires(closed):
    closed.post(
        "/api/v1/namespaces/kube-system/serviceaccounts",
        {"metadata": {"name": "bot"}},
        headers=ADMIN,
    )
    answer = token_for(closed, "bot", ADMIN, expirationSeconds=600)
    assert answer.body["status"]["expirationTimestamp"] == "2026-01-01T00:10:00Z"
    token = answer.body["status"]["token"]
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["sub"] == "system:serviceaccount:kube-system:bot"
    headers = {"authorization": f"Bearer {token}"}
    review = {"spec": {"token": token}}
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    found = closed.post(path, review, headers=ADMIN).body["status"]
    assert found["user"]["groups"] == [
        "system:serviceaccounts",
        "system:serviceaccounts:kube-system",
        "system:authenticated",
    ]
    assert closed.get(NODES, headers=headers).status == 403
    closed.hub.run(lambda: closed.hub.sleep(601))
    assert closed.get(NODES, headers=headers).status == 401
    assert "authenticated" not in closed.post(path, review, headers=ADMIN).body["status"]


@pytest.mark.parametrize("forged", ["a.b.c", "x", "", "..", "eyJ9.e30.sig"])
def test_a_forged_token_is_refused(closed, forged):
    assert closed.get(NODES, headers={"authorization": f"Bearer {forged}"}).status == 401


def test_tokens_are_for_existing_accounts(kube):
    assert token_for(kube, "nosuch").status == 404


def test_tokens_can_be_added_and_revoked(kube):
    kube.server.authenticator.add("t", User("joe"))
    assert kube.get(NODES, headers={"authorization": "Bearer t"}).status == 200
    kube.server.authenticator.revoke("t")
    assert kube.get(NODES, headers={"authorization": "Bearer t"}).status == 401


def test_impersonation_is_somebody_else(closed):
    headers = ADMIN | {"impersonate-user": "joe"}
    answer = closed.get(NODES, headers=headers)
    assert answer.body["message"] == (
        'nodes is forbidden: User "joe" cannot list resource "nodes" in API group "" '
        "at the cluster scope"
    )


def test_impersonation_needs_a_permission_of_its_own(closed):
    answer = closed.get(NODES, headers=JOE | {"impersonate-user": "admin"})
    assert answer.status == 403
    assert answer.body["message"].startswith('users "admin" is forbidden: User "joe" cannot imp')


class TestRbac:
    @pytest.mark.parametrize(
        "subject",
        [
            {"kind": "User", "name": "joe"},
            {"kind": "Group", "name": "team"},
        ],
        ids=["user", "group"],
    )
    def test_a_cluster_role_grants_everywhere(self, closed, subject):
        grant(closed, ["get", "list"], ["services"], subjects=[subject])
        assert closed.get(SVC, headers=JOE).status == 200
        assert closed.get("/api/v1/services", headers=JOE).status == 200
        assert closed.delete(f"{SVC}/kubernetes", headers=JOE).status == 403

    def test_a_role_grants_in_its_namespace(self, closed):
        joe = [{"kind": "User", "name": "joe"}]
        grant(closed, ["list"], ["services"], subjects=joe, namespace="default")
        assert closed.get(SVC, headers=JOE).status == 200
        assert closed.get("/api/v1/services", headers=JOE).status == 403

    def test_a_subresource_is_a_resource_of_its_own(self, closed):
        closed.post(
            SVC, {"metadata": {"name": "w"}, "spec": {"ports": [{"port": 1}]}}, headers=ADMIN
        )
        joe = [{"kind": "User", "name": "joe"}]
        grant(closed, ["patch"], ["services/status"], subjects=joe)
        patch = {"type": "application/merge-patch+json", "headers": JOE}
        assert closed.call("PATCH", f"{SVC}/w/status", {}, **patch).status == 200
        assert closed.call("PATCH", f"{SVC}/w", {}, **patch).status == 403

    def test_a_rule_may_name_objects(self, closed):
        joe = [{"kind": "User", "name": "joe"}]
        grant(closed, ["get"], ["services"], subjects=joe, names=["kubernetes"])
        assert closed.get(f"{SVC}/kubernetes", headers=JOE).status == 200
        assert closed.get(f"{SVC}/other", headers=JOE).status == 403

    def test_a_service_account_is_a_subject(self, closed):
        account = {"kind": "ServiceAccount", "name": "default", "namespace": "kube-system"}
        grant(closed, ["*"], ["*"], subjects=[account], groups=("*",))
        token = token_for(closed, "default", ADMIN).body["status"]["token"]
        headers = {"authorization": f"Bearer {token}"}
        assert closed.get(NODES, headers=headers).status == 200

    @pytest.mark.parametrize(
        ("attributes", "allowed"),
        [
            ({"resourceAttributes": {"verb": "list", "resource": "services"}}, True),
            ({"resourceAttributes": {"verb": "delete", "resource": "services"}}, False),
            ({"nonResourceAttributes": {"verb": "get", "path": "/apis/apps"}}, True),
            ({"nonResourceAttributes": {"verb": "get", "path": "/metrics"}}, False),
        ],
        ids=["list", "delete", "discovery", "metrics"],
    )
    def test_the_reviews_say_so_too(self, closed, attributes, allowed):
        grant(closed, ["list"], ["services"], subjects=[{"kind": "Group", "name": "team"}])
        own = closed.post(f"{AUTHZ}/selfsubjectaccessreviews", {"spec": attributes}, headers=JOE)
        assert own.body["status"] == {"allowed": allowed}
        asked = {"spec": attributes | {"user": "joe", "groups": ["team", "system:authenticated"]}}
        other = closed.post(f"{AUTHZ}/subjectaccessreviews", asked, headers=ADMIN)
        assert other.body["status"] == {"allowed": allowed}

    def test_rules_can_be_listed(self, closed):
        grant(closed, ["list"], ["services"], subjects=[{"kind": "User", "name": "joe"}])
        body = {"spec": {"namespace": "default"}}
        answer = closed.post(f"{AUTHZ}/selfsubjectrulesreviews", body, headers=JOE)
        rules = answer.body["status"]["resourceRules"]
        assert {"verbs": ["list"], "resources": ["services"], "apiGroups": [""]} in rules
