"""Who may do what: tokens, RBAC and its reviews, impersonation."""

from __future__ import annotations

from requests_common import NODES, port, service
from topics_reads import kinds

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_ANN, _BOB = "token-of-ann", "token-of-bob"


def _grant(x, name, *, namespace="", rules):
    """A role of the topic and its binding to ann; in ``namespace`` or everywhere."""
    kind = "Role" if namespace else "ClusterRole"
    where = f"{_RBAC}/namespaces/{namespace}" if namespace else _RBAC
    meta = {"name": f"{x.ns}-{name}", "labels": {"topic": x.ns}}
    subject = {"kind": "User", "name": "ann", "apiGroup": "rbac.authorization.k8s.io"}
    ref = {"kind": kind, "name": meta["name"], "apiGroup": "rbac.authorization.k8s.io"}
    plural = kind.lower()
    x.post(f"role {name}", f"{where}/{plural}s", {"metadata": meta, "rules": rules})
    binding = {"metadata": meta, "subjects": [subject], "roleRef": ref}
    x.post(f"binding {name}", f"{where}/{plural}bindings", binding)
    return f"{where}/{plural}s", f"{where}/{plural}bindings"


def _rule(resources, verbs, **more):
    return {"apiGroups": [""], "resources": resources.split(), "verbs": verbs.split(), **more}


def access(x):
    """What two users may do, with and without roles."""
    services, maps = x.path("services"), x.path("configmaps")
    x.post("a service", services, service("web", port(80)))
    x.get("no token", services, token="")
    x.get("unknown token", services, token="guessed")
    x.get("nothing granted", services, token=_BOB)
    x.get("one object", f"{services}/web", token=_BOB)
    x.post("create", services, service("b", port(80)), token=_BOB)
    x.patch("subresource", f"{services}/web/status", {}, token=_BOB)
    x.get("cluster scope", NODES, token=_BOB)
    x.get("watch", f"{NODES}?watch=1", token=_BOB)
    x.get("other groups", x.path("leases", "coordination.k8s.io"), token=_BOB)
    x.get("namespace", f"/api/v1/namespaces/{x.ns}", token=_BOB)
    x.get("namespaces", "/api/v1/namespaces", token=_BOB)
    x.get("discovery", "/apis/coordination.k8s.io/v1", token=_BOB, only=kinds)
    x.get("metrics", "/metrics", token=_BOB)
    x.get("health", "/healthz", token=_BOB)
    x.get("absent resource", "/api/v1/nosuch", token=_BOB)
    everywhere = _grant(
        x, "wide", rules=[_rule("nodes", "list"), _rule("services/status", "patch")]
    )
    here = _grant(
        x, "here", namespace=x.ns,
        rules=[
            _rule("services", "get list"),
            _rule("namespaces", "get"),
            _rule("configmaps", "get update list watch", resourceNames=["mine"]),
            _rule("*", "deletecollection"),
        ],
    )  # fmt: skip
    x.post("map", maps, {"metadata": {"name": "mine"}})
    x.get("granted everywhere", f"{NODES}?labelSelector=topic", token=_ANN)
    x.get("another verb", f"{NODES}/a", token=_ANN)
    x.get("granted here", f"{services}/web", token=_ANN)
    x.get("list", services, token=_ANN)
    x.get("not watch", f"{services}?watch=1", token=_ANN)
    x.get("not elsewhere", x.path("services", ns="default"), token=_ANN)
    x.get("not everywhere", "/api/v1/services", token=_ANN)
    x.patch("subresource granted", f"{services}/web/status", {}, token=_ANN)
    x.get("its namespace", f"/api/v1/namespaces/{x.ns}", token=_ANN)
    x.get("another namespace", "/api/v1/namespaces/default", token=_ANN)
    x.get("the named one", f"{maps}/mine", token=_ANN)
    x.get("not another", f"{maps}/other", token=_ANN)
    x.get("list of the named one", f"{maps}?fieldSelector=metadata.name%3Dmine", token=_ANN)
    x.get("list of all", maps, token=_ANN)
    x.post("create is without a name", maps, {"metadata": {"name": "mine"}}, token=_ANN)
    x.delete("any resource", maps, token=_ANN)
    x.get("impersonation refused", services, token=_BOB, impersonate_user="ann")
    x.get("impersonation", services, impersonate_user="ann")
    x.get("impersonation of nobody", services, impersonate_user="nobody")
    x.get("impersonated group", NODES + "?limit=1&labelSelector=topic%3Dnone", impersonate_user="x", impersonate_group="system:masters")  # fmt: skip  # noqa: E501
    reviews = "/apis/authorization.k8s.io/v1"

    def may(title, path="selfsubjectaccessreviews", *, token=_ANN, user=None, **attributes):
        spec = {"resourceAttributes": {"namespace": x.ns, **attributes}}
        spec |= {"user": user} if user else {}
        kind = {"selfsubjectaccessreviews": "SelfSubjectAccessReview", "subjectaccessreviews": "SubjectAccessReview"}[path]  # fmt: skip  # noqa: E501
        body = {"kind": kind, "apiVersion": "authorization.k8s.io/v1", "spec": spec}
        x.post(title, f"{reviews}/{path}", body, token=token)

    may("may I get", verb="get", resource="services")
    may("may I delete", verb="delete", resource="services")
    may("may I get the named one", verb="get", resource="configmaps", name="mine")
    may("may I patch status", verb="patch", resource="services", subresource="status")
    may("may ann", "subjectaccessreviews", token="envtest-admin", user="ann", verb="get", resource="services")  # fmt: skip  # noqa: E501
    may("may bob", "subjectaccessreviews", token="envtest-admin", user="bob", verb="get", resource="services")  # fmt: skip  # noqa: E501
    may("may I ask about others", "subjectaccessreviews", user="bob", verb="get", resource="pods")
    path = {"spec": {"nonResourceAttributes": {"verb": "get", "path": "/healthz"}}}
    x.post("may I get a path", f"{reviews}/selfsubjectaccessreviews", path, token=_ANN)
    x.post("review of nothing", f"{reviews}/selfsubjectaccessreviews", {"spec": {}}, token=_ANN)
    x.post("all I may", f"{reviews}/selfsubjectrulesreviews", {"spec": {"namespace": x.ns}}, token=_ANN)  # fmt: skip  # noqa: E501
    who = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    x.post("who am I", who, {}, token=_ANN)
    x.post(
        "escalation", f"{_RBAC}/clusterroles", {"metadata": {"name": "x"}, "rules": []}, token=_ANN
    )
    x.patch("role ref is fixed", f"{here[1]}/{x.ns}-here", {"roleRef": {"name": "other"}})
    x.post("bad role name", everywhere[0], {"metadata": {"name": "a/b"}})
    x.post("rule without verbs", everywhere[0], {"metadata": {"name": f"{x.ns}-x"}, "rules": [{"apiGroups": [""], "resources": ["pods"]}]})  # fmt: skip  # noqa: E501
    for path in (*everywhere, *here):
        x.quietly("DELETE", f"{path}?labelSelector=topic%3D{x.ns}")


def built_in_roles(x):
    """The roles that kube-apiserver brings and the manager's accounts rely on."""
    for name in ("node-controller", "service-controller", "route-controller"):
        role = f"system:controller:{name}"
        x.get(f"role {name}", f"{_RBAC}/clusterroles/{role}")
        x.get(f"binding {name}", f"{_RBAC}/clusterrolebindings/{role}")


TOPICS = (access, built_in_roles)
