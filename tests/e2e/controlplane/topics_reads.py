"""Lists, pages, selectors, Tables, discovery, watches."""

from __future__ import annotations

import urllib.parse

from exchange import MERGE, TABLE
from requests_common import NODES, node, port, service

from cloudprovider_sandbox.apiserver.resources import Catalogue

_METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
_ONE_METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"


def _query(**fields):
    return "?" + urllib.parse.urlencode(fields)


def lists(x):
    """Order, pages, selectors, versions."""
    maps = x.path("configmaps")
    x.get("none", f"{maps}")
    for n in range(5):
        labels = {"n": str(n), **({"odd": "yes"} if n % 2 else {})}
        x.post(f"create {n}", maps, {"metadata": {"name": f"c{n}", "labels": labels}})
    x.get("all", maps)
    page = x.get("page 1", maps + _query(limit=2)).json["metadata"]["continue"]
    page = x.get("page 2", maps + _query(limit=2, **{"continue": page})).json["metadata"][
        "continue"
    ]
    x.post("between pages", maps, {"metadata": {"name": "c0a"}})
    x.get("page 3", maps + _query(limit=2, **{"continue": page}))
    x.get("limit of all", maps + _query(limit=6))
    x.get("page of a selection", maps + _query(limit=1, labelSelector="odd"))
    x.get("broken token", maps + _query(limit=2, **{"continue": "x"}))
    x.get("token and version", maps + _query(resourceVersion="5", **{"continue": page}))
    x.get("negative limit", maps + _query(limit=-1))
    x.get("limit is no number", maps + _query(limit="x"))
    for name, selector in {
        "equals": "odd=yes",
        "double equals": "odd==yes",
        "not equals": "odd!=yes",
        "exists": "odd",
        "exists not": "!odd",
        "in": "n in (1,2)",
        "not in": "n notin (1,2)",
        "and": "odd,n!=1",
        "greater": "n>2",
        "less": "n<2",
        "empty value": "odd=",
        "broken": "a b",
        "unclosed": "n in (1",
        "bad key": "a b=c",
        "bad value": "a=b c!",
    }.items():
        x.get(f"labels: {name}", maps + _query(labelSelector=selector))
    for name, selector in {
        "name": "metadata.name=c1",
        "not name": "metadata.name!=c1",
        "namespace": "metadata.namespace=x",
        "unknown": "spec.foo=x",
        "broken": "metadata.name",
        "two": "metadata.name=c1,metadata.namespace!=x",
    }.items():
        x.get(f"fields: {name}", maps + _query(fieldSelector=selector))
    services = x.path("services")
    x.post("a service", services, service("a", port(80), type="LoadBalancer"))
    x.post("another service", services, service("b", port(80), clusterIP="None"))
    x.get("services by type", services + _query(fieldSelector="spec.type=LoadBalancer"))
    x.get("services by ip", services + _query(fieldSelector="spec.clusterIP=None"))
    x.post("a node", NODES, node(x, "a", spec={"unschedulable": True}))
    mine = f"topic={x.ns}"
    x.get(
        "nodes by schedulability",
        NODES + _query(labelSelector=mine, fieldSelector="spec.unschedulable=true"),
    )
    x.get("cached", maps + _query(resourceVersion="0"))
    x.get(
        "not older than 1", maps + _query(resourceVersion="1", resourceVersionMatch="NotOlderThan")
    )
    x.get("exactly 1", maps + _query(resourceVersion="1", resourceVersionMatch="Exact"))
    x.get("match without version", maps + _query(resourceVersionMatch="Exact"))
    x.get("exactly 0", maps + _query(resourceVersion="0", resourceVersionMatch="Exact"))
    x.get("unknown match", maps + _query(resourceVersion="1", resourceVersionMatch="Foo"))
    x.get(
        "match and token",
        maps + _query(resourceVersionMatch="Exact", resourceVersion="1", **{"continue": page}),
    )
    x.get("not a version", maps + _query(resourceVersion="x"))
    x.get("a version of the future", maps + _query(resourceVersion="99999999", timeoutSeconds="1"))
    x.get("one, cached", f"{maps}/c1{_query(resourceVersion='0')}")
    x.get("one, not a version", f"{maps}/c1{_query(resourceVersion='x')}")
    x.get("one that is not there", f"{maps}/gone")
    x.get("in no namespace", x.path("configmaps", ns="gone"))
    x.ask("head", "HEAD", f"{maps}/c1")
    x.get("initial events of a list", maps + _query(sendInitialEvents="true"))


def forms(x):
    """Tables and metadata alone, as kubectl asks for them."""
    services, slices = x.path("services"), x.path("endpointslices", "discovery.k8s.io")
    body = service(
        "web", port(80, name="a"), port(443, name="b"), type="LoadBalancer", selector={"a": "b"}
    )
    x.post("service", services, body)
    x.post("headless", services, service("headless", port(80), clusterIP="None"))
    x.post("external", services, service("external", type="ExternalName", externalName="a.b"))
    x.post("local", services, service("zlocal", port(80), type="NodePort", externalIPs=["1.2.3.4"]))
    ingress = {"status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}, {"hostname": "a.b"}]}}}
    x.patch("status", f"{services}/web/status", ingress)
    status = {
        "conditions": [{"type": "Ready", "status": "True"}],
        "addresses": [
            {"type": "InternalIP", "address": "10.0.0.1"},
            {"type": "ExternalIP", "address": "1.2.3.4"},
        ],
        "nodeInfo": {
            "kubeletVersion": "v1.32.0",
            "osImage": "Linux",
            "kernelVersion": "6",
            "containerRuntimeVersion": "c://1",
        },
    }
    roles = {"node-role.kubernetes.io/control-plane": "", "kubernetes.io/role": "x"}
    made = node(x, "a", status=status, spec={"unschedulable": True})
    made["metadata"]["labels"] |= roles
    x.post("node", NODES, made)
    x.post("new node", NODES, node(x, "b"))
    for n, reason in enumerate(("R", "S")):
        involved = {"kind": "Service", "name": "web", "namespace": x.ns}
        meta = {"name": f"e{n}", "labels": {"topic": x.ns}}
        event = {"metadata": meta, "involvedObject": involved, "reason": reason}
        event |= {"message": "m", "type": "Normal", "count": n, "source": {"component": "c"}}
        x.post(f"event {n}", x.path("events"), event)
    x.post(
        "lease",
        x.path("leases", "coordination.k8s.io"),
        {"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}},
    )
    x.post("map", x.path("configmaps"), {"metadata": {"name": "c"}, "data": {"a": "b"}})
    x.post("secret", x.path("secrets"), {"metadata": {"name": "s"}, "data": {"a": "Yg=="}})
    x.post("account", x.path("serviceaccounts"), {"metadata": {"name": "s"}})
    endpoints = [{"addresses": ["10.1.0.1"]}, {"addresses": ["10.1.0.2"]}]
    x.post(
        "slice",
        slices,
        {
            "metadata": {"name": "s"},
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": [{"port": 80}],
        },
    )
    mine = _query(labelSelector=f"topic={x.ns}")
    for name, path in {
        "services": services,
        "nodes": NODES + mine,
        "events": x.path("events") + mine,  # a real server tells of Services, too
        "leases": x.path("leases", "coordination.k8s.io"),
        "configmaps": x.path("configmaps"),
        "secrets": x.path("secrets"),
        "endpointslices": slices,
        "accounts": x.path("serviceaccounts"),
        "deployments": x.path("deployments", "apps"),
        "pods": x.path("pods"),
    }.items():
        x.get(f"table of {name}", path, accept=TABLE)
    x.get("table of one", f"{services}/web", accept=TABLE)
    x.get("table with objects", f"{services}{_query(includeObject='Object')}", accept=TABLE)
    x.get("table without objects", f"{services}{_query(includeObject='None')}", accept=TABLE)
    x.get("page of a table", f"{services}{_query(limit=1)}", accept=TABLE)
    x.get(
        "table of namespaces",
        f"/api/v1/namespaces{_query(fieldSelector=f'metadata.name={x.ns}')}",
        accept=TABLE,
    )
    x.get("refusal as a table", f"{services}/gone", accept=TABLE)
    x.get("metadata alone", services, accept=_METADATA)
    x.get("metadata of one", f"{services}/web", accept=_ONE_METADATA)
    x.get("a form that is not there", services, accept="application/json;as=Foo;v=v1;g=meta.k8s.io")
    x.get("no such media type", services, accept="text/html")
    x.get("anything", services, accept="*/*")
    x.get("yaml", f"{services}/gone", accept="application/yaml")
    x.patch(
        "a patch as a table", f"{services}/web", {"metadata": {"labels": {"a": "b"}}}, accept=TABLE
    )


def watches(x):
    """Where a watch begins, what it sends, how it ends."""
    maps = x.path("configmaps")
    x.post("one", maps, {"metadata": {"name": "one", "labels": {"a": "b"}}})
    x.post("two", maps, {"metadata": {"name": "two"}})
    begin = x.get("list", maps).json["metadata"]["resourceVersion"]

    def count(number):
        return lambda events: len([e for e in events if e.get("type") != "BOOKMARK"]) >= number

    def life():
        """An object is made, changed, not changed, and deleted."""
        for method, path, body in (
            ("POST", maps, {"metadata": {"name": "new", "labels": {"a": "b"}}}),
            ("PATCH", f"{maps}/new", {"data": {"x": "y"}}),
            ("PATCH", f"{maps}/new", {"data": {"x": "y"}}),
            ("PATCH", f"{maps}/new", {"metadata": {"labels": {"a": "c"}}}),
            ("PATCH", f"{maps}/two", {"metadata": {"labels": {"a": "b"}}}),
            ("DELETE", f"{maps}/new", None),
            ("PATCH", f"{maps}/two", {"metadata": {"labels": None}}),
        ):
            x.quietly(method, path, body, MERGE if method == "PATCH" else "application/json")

    x.watch(
        "from the version of a list", maps, resourceVersion=begin, meanwhile=life, until=count(6)
    )
    x.watch("the same afterwards", maps, resourceVersion=begin, until=count(6))
    x.watch("a selection", maps, resourceVersion=begin, labelSelector="a=b", until=count(5))
    x.watch(
        "one name", maps, resourceVersion=begin, fieldSelector="metadata.name=new", until=count(4)
    )
    x.watch("without a version", maps, until=count(2))
    x.watch("from 0", maps, resourceVersion="0", until=count(2))
    x.watch("of one by path", f"{maps}/one", until=count(1))
    initial = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }

    def ended(events):
        return any(e["type"] == "BOOKMARK" for e in events)

    x.watch("initial events", maps, **initial, until=ended)
    x.watch("initial events of nothing", x.path("secrets"), **initial, until=ended)
    x.watch("initial events of a selection", maps, **initial, labelSelector="a", until=ended)
    x.watch(
        "initial events not older than a version",
        maps,
        **initial,
        resourceVersion=begin,
        until=ended,
    )
    x.watch("initial events and then more", maps, **initial, meanwhile=life, until=count(8))
    off = {**initial, "sendInitialEvents": "false"}
    x.watch("without initial events", maps, **off, meanwhile=life, until=count(6))

    def bad(name, **query):
        x.get(name, maps + _query(watch="true", timeoutSeconds="1", **query))

    bad("initial events without a match", sendInitialEvents="true", allowWatchBookmarks="true")
    unmarked = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
    x.watch("initial events without bookmarks", maps, **unmarked, until=count(2))
    bad(
        "initial events, exact",
        sendInitialEvents="true",
        resourceVersionMatch="Exact",
        resourceVersion="1",
    )
    bad("a match alone", resourceVersionMatch="NotOlderThan", resourceVersion="1")
    bad("not a version", resourceVersion="x")
    bad("a bad selector", labelSelector="a b")
    bad("an unknown field", fieldSelector="spec.foo=x")
    bad("a continue token", **{"continue": "x"})
    x.watch("too old a version", maps, resourceVersion="1", seconds=1)
    x.watch("a version of the future", maps, resourceVersion="99999999", seconds=1)
    x.watch("initial events of the future", maps, **initial, resourceVersion="99999999", seconds=1)
    x.watch("as tables", maps, accept=TABLE, until=count(2))
    x.watch("as metadata", maps, accept=_ONE_METADATA, until=count(2))
    x.watch("a quiet one ends in time", x.path("secrets"), resourceVersion=begin, seconds=1)


OURS = Catalogue()
_GROUPS = dict(OURS.group_versions())


def _known(group, version, plural):
    """Whether ours has the kind, or the subresource ``plural/name``."""
    plural, _, subresource = plural.partition("/")
    found = OURS.find(group, version, plural)
    return found is not None and (not subresource or subresource in found.subresources)


def kinds(document):
    """A discovery document without the groups and kinds that ours does not have.

    Nor without the hash of the storage's version, which has no meaning to clients.
    """
    if document.get("kind") == "APIResourceList":
        group, _, version = document["groupVersion"].rpartition("/")
        found = [item for item in document["resources"] if _known(group, version, item["name"])]
        plain = [{k: v for k, v in item.items() if k != "storageVersionHash"} for item in found]
        return {**document, "resources": sorted(plain, key=lambda item: item["name"])}
    if document.get("kind") == "APIGroupList":
        found = [_one_version(item) for item in document["groups"] if item["name"] in _GROUPS]
        return {**document, "groups": sorted(found, key=lambda item: item["name"])}
    if document.get("kind") == "APIGroupDiscoveryList":
        return {**document, "items": _aggregated(document["items"])}
    return document


def _one_version(group):
    versions = [v for v in group["versions"] if v["version"] == _GROUPS[group["name"]]]
    return {**group, "versions": versions, "preferredVersion": versions[0]}


def _aggregated(items):
    found = []
    for item in items:
        name = item["metadata"].get("name", "")
        if name not in _GROUPS:
            continue
        (version,) = [v for v in item["versions"] if v["version"] == _GROUPS[name]]
        resources = [
            {**r, "subresources": _subresources(name, version["version"], r)}
            for r in version["resources"]
            if _known(name, version["version"], r["resource"])
        ]
        resources.sort(key=lambda r: r["resource"])
        found.append({"name": name, "version": {**version, "resources": resources}})
    return sorted(found, key=lambda item: item["name"])


def _subresources(group, version, resource):
    found = resource.get("subresources", [])
    known = [
        s for s in found if _known(group, version, f"{resource['resource']}/{s['subresource']}")
    ]
    return sorted(known, key=lambda s: s["subresource"])


def discovery(x):
    """What there is: groups, kinds and their verbs, as far as ours has them too."""
    for group, version in OURS.group_versions():
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        x.get(path, path, only=kinds)
    for path in (
        "/apis",
        "/apis/nosuch",
        "/apis/apps/v9",
        "/healthz",
        "/livez",
        "/readyz",
        "/nosuch",
        "/api/v1/nosuch",
        "/apis/apps/v1/nosuch",
        "/apis/apps",
    ):
        x.get(path, path, only=kinds)
    aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    x.get("aggregated core", "/api", accept=aggregated, only=kinds)
    x.get("aggregated groups", "/apis", accept=aggregated, only=kinds)
    x.get("core versions", "/api", only=lambda found: {**found, "serverAddressByClientCIDRs": ""})
    x.get("version", "/version", only=lambda found: {"major": found["major"]})
    x.put("method", NODES, {})
    x.post("post to one", f"{NODES}/a", {})
    x.ask("options", "OPTIONS", NODES)
    x.delete("namespaces at once", "/api/v1/namespaces")


TOPICS = (lists, forms, watches, discovery)
