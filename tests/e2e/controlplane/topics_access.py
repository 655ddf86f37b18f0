"""Who may do what: tokens, RBAC and its reviews, impersonation."""

from __future__ import annotations

import contextlib

from controlplane import ADMIN_TOKEN
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


@contextlib.contextmanager
def _rights(x):
    """ann's rights, while it lasts: a few everywhere, a few in the topic's namespace."""
    wide = [_rule("nodes", "list"), _rule("services/status", "patch")]
    roles = {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"]}
    paths = _grant(x, "wide", rules=[*wide, {**roles, "verbs": ["create"]}])
    here = [
        _rule("services", "get list"),
        _rule("namespaces", "get"),
        _rule("configmaps", "get update list watch", resourceNames=["mine"]),
        _rule("*", "deletecollection"),
    ]
    paths += _grant(x, "here", namespace=x.ns, rules=here)
    yield paths
    for path in paths:
        x.quietly("DELETE", f"{path}?labelSelector=topic%3D{x.ns}")


def no_rights(x):
    """Who may do nothing: no token, a wrong one, a user without roles."""
    services = x.path("services")
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
    x.get("impersonation", services, token=_BOB, impersonate_user="ann")


def roles(x):
    """What roles and their bindings allow, and what may be written into them."""
    services, maps = x.path("services"), x.path("configmaps")
    x.post("a service", services, service("web", port(80)))
    x.post("map", maps, {"metadata": {"name": "mine"}})
    with _rights(x) as (wide_roles, _, _, bindings):
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
        x.get("impersonation", services, impersonate_user="ann")
        x.get("impersonation of nobody", services, impersonate_user="nobody")
        none = f"{NODES}?limit=1&labelSelector=topic%3Dnone"
        masters = {"impersonate_user": "x", "impersonate_group": "system:masters"}
        x.get("impersonated group", none, **masters)
        mine = {"name": f"{x.ns}-more", "labels": {"topic": x.ns}}
        more = {"metadata": mine, "rules": [_rule("nodes", "delete")]}
        x.post("more than one's own rights", wide_roles, more, token=_ANN)
        x.patch("role ref is fixed", f"{bindings}/{x.ns}-here", {"roleRef": {"name": "other"}})
        x.post("bad role name", wide_roles, {"metadata": {"name": "a/b"}})
        mute = {"metadata": {"name": f"{x.ns}-x"}, "rules": [_rule("pods", "")]}
        x.post("rule without verbs", wide_roles, mute)


def reviews(x):
    """What the access reviews say about these rights."""
    group = "/apis/authorization.k8s.io/v1"

    def ask(title, kind, spec, token=_ANN):
        body = {"kind": kind, "apiVersion": "authorization.k8s.io/v1", "spec": spec}
        x.post(title, f"{group}/{kind.lower()}s", body, token=token)

    def may(title, *, user="", token=_ANN, **attributes):
        spec = {"resourceAttributes": {"namespace": x.ns, **attributes}}
        kind = "SubjectAccessReview" if user else "SelfSubjectAccessReview"
        ask(title, kind, {**spec, **({"user": user} if user else {})}, token)

    with _rights(x):
        may("may I get", verb="get", resource="services")
        may("may I delete", verb="delete", resource="services")
        may("may I get the named one", verb="get", resource="configmaps", name="mine")
        may("may I patch status", verb="patch", resource="services", subresource="status")
        may("may ann", user="ann", token=ADMIN_TOKEN, verb="get", resource="services")
        may("may bob", user="bob", token=ADMIN_TOKEN, verb="get", resource="services")
        may("may I ask about others", user="bob", verb="get", resource="pods")
        path = {"nonResourceAttributes": {"verb": "get", "path": "/healthz"}}
        ask("may I get a path", "SelfSubjectAccessReview", path)
        other = {"nonResourceAttributes": {"verb": "get", "path": "/metrics"}}
        for user, more in (("ann", {}), ("root", {"groups": ["system:masters"]})):
            spec = {"user": user, **more, **other}
            ask(f"may {user} get metrics", "SubjectAccessReview", spec, ADMIN_TOKEN)
        ask("review of nothing", "SelfSubjectAccessReview", {})
        ask("all I may", "SelfSubjectRulesReview", {"namespace": x.ns})
        tokens = "/apis/authentication.k8s.io/v1/tokenreviews"
        for title, token in (("of ann", _ANN), ("of nobody", "nonsense")):
            body = {"kind": "TokenReview", "spec": {"token": token}}
            x.post(f"a token {title}", tokens, body, token=ADMIN_TOKEN)
        x.post("a token, asked by ann", tokens, {"spec": {"token": _BOB}}, token=_ANN)
        x.post("who am I", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, token=_ANN)


def built_in_roles(x):
    """The roles that kube-apiserver brings and the manager and its accounts rely on."""
    for name in ("node-controller", "service-controller", "route-controller"):
        role = f"system:controller:{name}"
        x.get(f"role {name}", f"{_RBAC}/clusterroles/{role}")
        x.get(f"binding {name}", f"{_RBAC}/clusterrolebindings/{role}")
    for name in ("system:auth-delegator", "system:monitoring"):
        x.get(name, f"{_RBAC}/clusterroles/{name}")
    reader = "extension-apiserver-authentication-reader"
    x.get(reader, f"{_RBAC}/namespaces/kube-system/roles/{reader}")


TOPICS = (no_rights, roles, reviews, built_in_roles)
