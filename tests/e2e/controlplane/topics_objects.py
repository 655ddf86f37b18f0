"""What every kind has in common: creation, conflicts, status, deletion, patches."""

from __future__ import annotations

from exchange import APPLY, JSON_PATCH, MERGE
from requests_common import NODES, node, port, service

_OPTIONS = {"kind": "DeleteOptions", "apiVersion": "v1"}


def creation(x):
    """What a new object gets, and which new objects are refused."""
    services, maps = x.path("services"), x.path("configmaps")
    full = service("full", port(80), type="LoadBalancer")
    full["metadata"] |= {
        "labels": {"a": "b"},
        "annotations": {"c": "d"},
        "finalizers": ["example.com/x"],
        "uid": "x",
        "selfLink": "/x",
        "creationTimestamp": "2020-01-01T00:00:00Z",
        "deletionTimestamp": "2020-01-01T00:00:00Z",
        "generation": 7,
    }
    x.post("system fields are ignored", services, full)
    x.post("generated name", maps, {"metadata": {"generateName": "job-"}})
    x.post("no name", maps, {"metadata": {}})
    x.post("no metadata", maps, {"data": {"a": "b"}})
    x.post("empty body", maps, b"")
    x.post("a list", maps, [])
    x.post("dry run", f"{services}?dryRun=All", service("dry", port(80)))
    x.get("a dry run stores nothing", f"{services}/dry")
    x.post("dry run of something else", f"{services}?dryRun=Some", service("dry", port(80)))
    x.post("exists", services, service("full", port(80)))
    x.post("no such namespace", x.path("services", ns="gone"), service("a", port(80)))
    x.post(
        "another namespace",
        services,
        {**service("a", port(80)), "metadata": {"name": "a", "namespace": "b"}},
    )
    x.post("another kind", services, {**service("a", port(80)), "kind": "Node"})
    x.post("another version", services, {**service("a", port(80)), "apiVersion": "v2"})
    x.post(
        "with a version",
        services,
        {**service("a", port(80)), "metadata": {"name": "a", "resourceVersion": "1"}},
    )
    unknown = service("b", port(80), foo=1)
    x.post("unknown field", services, unknown)
    x.post(
        "unknown field, strict", f"{services}?fieldValidation=Strict", service("c", port(80), foo=1)
    )
    x.post(
        "unknown field, ignored",
        f"{services}?fieldValidation=Ignore",
        service("d", port(80), foo=1),
    )
    x.post("unknown validation", f"{services}?fieldValidation=Maybe", service("e", port(80)))
    x.post(
        "a field twice",
        services,
        b'{"metadata":{"name":"e","name":"f"},"spec":{"ports":[{"port":80}]}}',
    )
    x.post(
        "yaml",
        services,
        b"metadata: {name: yaml}\nspec: {ports: [{port: 80}]}\n",
        type="application/yaml",
    )
    x.post("form", services, b"a=b", type="application/x-www-form-urlencoded")
    x.post("a node", NODES, node(x, "a"))
    status = {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}
    spec = {"podCIDR": "10.1.0.0/24", "unschedulable": True}
    x.post("a node with status", NODES, node(x, "b", spec=spec, status=status))
    slices = x.path("endpointslices", "discovery.k8s.io")
    endpoint = {"addresses": ["10.1.0.1"], "conditions": {"ready": True}, "nodeName": "n"}
    body = {"metadata": {"name": "s"}, "addressType": "IPv4", "endpoints": [endpoint]}
    x.post("an endpoint slice", slices, {**body, "ports": [{"port": 80}]})
    secret = {"metadata": {"name": "s"}, "stringData": {"a": "b"}}
    x.post("a secret", x.path("secrets"), secret)
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    x.post("a pod", x.path("pods"), pod)
    labels = {"app": "d"}
    template = {"metadata": {"labels": labels}, "spec": pod["spec"]}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    deployments = x.path("deployments", "apps")
    x.post("a deployment", deployments, {"metadata": {"name": "d"}, "spec": spec})
    x.delete("no deployment", deployments)


def conflicts(x):
    """Writes on an old version, on another object, on what is gone."""
    services = x.path("services")
    path = f"{services}/web"
    made = x.post("create", services, service("web", port(80))).json
    x.patch("change", path, {"metadata": {"labels": {"a": "b"}}}, MERGE)
    x.put("stale put", path, made)
    x.put("put without version", path, {**made, "metadata": {"name": "web"}})
    x.put(
        "put with the version 0",
        path,
        {**made, "metadata": {"name": "web", "resourceVersion": "0"}},
    )
    x.put("put with a wrong uid", path, {**made, "metadata": {"name": "web", "uid": "x"}})
    x.put("put with another name", path, {**made, "metadata": {"name": "other"}})
    x.put("put without a name", path, {**made, "metadata": {}})
    x.put("put makes it", f"{services}/new", service("new", port(80)))
    x.put(
        "put of a kind that is not made so",
        f"{x.path('configmaps')}/new",
        {"metadata": {"name": "new"}},
    )
    x.put("put of a node that is not there", f"{NODES}/{x.ns}-gone", node(x, "gone"))
    for kind, name in ((MERGE, "merge"), ("application/strategic-merge-patch+json", "strategic")):
        stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}}
        x.patch(f"{name}: old version", path, stale, kind)
        x.patch(f"{name}: wrong uid", path, {"metadata": {"uid": "x"}}, kind)
        x.patch(f"{name}: no uid", path, {"metadata": {"uid": None}}, kind)
        x.patch(f"{name}: another name", path, {"metadata": {"name": "x"}}, kind)
        x.patch(f"{name}: another namespace", path, {"metadata": {"namespace": "x"}}, kind)
        x.patch(f"{name}: not a version", path, {"metadata": {"resourceVersion": "x"}}, kind)
        x.patch(
            f"{name}: system fields",
            path,
            {"metadata": {"creationTimestamp": None, "generation": 9}},
            kind,
        )
        x.patch(f"{name}: of what is gone", f"{services}/gone", {}, kind)
        x.patch(f"{name}: not an object", path, [], kind)
        x.patch(f"{name}: not JSON", path, b"{", kind)
    x.patch("type of patch", path, {}, "application/json")
    x.patch("an empty patch changes nothing", path, {}, MERGE)
    x.delete("delete: wrong uid", path, {**_OPTIONS, "preconditions": {"uid": "x"}})
    x.delete("delete: wrong version", path, {"preconditions": {"resourceVersion": "1"}})
    x.delete("delete: dry run", path, {"dryRun": ["All"]})
    uid = made["metadata"]["uid"]
    x.delete("delete: right uid", path, {**_OPTIONS, "preconditions": {"uid": uid}})
    x.delete("delete: again", path)


def status_isolation(x):
    """The main resource does not touch status, /status does not touch spec."""
    services = x.path("services")
    path = f"{services}/web"
    ingress = {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}
    body = {**service("web", port(80), type="LoadBalancer"), "status": ingress}
    x.post("status at creation", services, body)
    x.patch("status by main", path, {"status": ingress}, MERGE)
    x.patch("spec by status", f"{path}/status", {"spec": {"type": "NodePort"}}, MERGE)
    both = {"spec": {"type": "NodePort"}, "status": ingress, "metadata": {"labels": {"a": "b"}}}
    live = x.patch("both by status", f"{path}/status", both, MERGE).json
    x.get("get status", f"{path}/status")
    x.put("put status", f"{path}/status", {**live, "status": {}, "spec": {}})
    x.put(
        "put by main keeps status",
        path,
        {**service("web", port(80), type="LoadBalancer"), "status": ingress},
    )
    x.patch("status", f"{path}/status", {"status": ingress})
    x.patch("to NodePort clears it", path, {"spec": {"type": "NodePort"}})
    x.patch("status of a NodePort", f"{path}/status", {"status": ingress})
    x.patch("back", path, {"spec": {"type": "LoadBalancer"}})
    x.patch("status again", f"{path}/status", {"status": ingress})
    x.patch("to ClusterIP clears it", path, {"spec": {"type": "ClusterIP"}})
    x.delete("delete status", f"{path}/status")
    x.post("post status", f"{path}/status", {})
    x.get("no such subresource", f"{path}/nosuch")
    x.patch("status of what is gone", f"{services}/gone/status", {"status": {}})
    made = x.post("node", NODES, node(x, "a")).json
    path = f"{NODES}/{made['metadata']['name']}"
    x.patch("node: spec by status", f"{path}/status", {"spec": {"unschedulable": True}})
    x.patch("node: status by main", path, {"status": {"phase": "Running"}})
    x.patch("node: labels by status", f"{path}/status", {"metadata": {"labels": {"x": "y"}}})
    x.patch("node: finalizers by status", f"{path}/status", {"metadata": {"finalizers": ["a.b/c"]}})
    x.patch("node: taints by status", f"{path}/status", {"spec": {"taints": None}})
    x.patch(
        "node: capacity", f"{path}/status", {"status": {"capacity": {"cpu": "1", "memory": "1Gi"}}}
    )
    x.patch("node: no finalizers", path, {"metadata": {"finalizers": []}}, MERGE)


def deletion(x):
    """Finalizers keep an object; the last one lets it go."""
    services = x.path("services")
    path = f"{services}/web"
    body = service("web", port(80, nodePort=30070), type="NodePort")
    body["metadata"]["finalizers"] = ["example.com/a", "example.com/b"]
    x.post("create", services, body)
    x.delete("delete", path)
    x.delete("delete again", path)
    x.get("still there", path)
    x.post("create while deleting", services, body)
    x.patch("change while deleting", path, {"metadata": {"labels": {"a": "b"}}})
    x.patch("add a finalizer", path, {"metadata": {"finalizers": ["example.com/late"]}})
    x.patch("undelete", path, {"metadata": {"deletionTimestamp": None}}, MERGE)
    x.patch("remove one", path, {"metadata": {"finalizers": ["example.com/b"]}}, MERGE)
    x.patch("remove the last", f"{path}/status", {"metadata": {"finalizers": None}})
    x.get("gone", path)
    x.post("its node port is free again", services, body | {"metadata": {"name": "web"}})
    x.delete("delete without finalizers", path)
    maps = x.path("configmaps")
    x.post("config map", maps, {"metadata": {"name": "c", "finalizers": ["example.com/a"]}})
    x.delete("config map: delete", f"{maps}/c")
    x.put("config map: put lets it go", f"{maps}/c", {"metadata": {"name": "c"}})
    x.get("config map: gone", f"{maps}/c")
    x.post("plain config map", maps, {"metadata": {"name": "p"}})
    x.delete("plain config map: delete", f"{maps}/p")
    x.delete("plain config map: delete again", f"{maps}/p")
    x.post("foreground", maps, {"metadata": {"name": "f"}})
    x.delete("foreground: delete", f"{maps}/f", {"propagationPolicy": "Foreground"})
    x.patch("foreground: let go", f"{maps}/f", {"metadata": {"finalizers": None}}, MERGE)
    x.post("orphan", maps, {"metadata": {"name": "o"}})
    x.delete("orphan: delete", f"{maps}/o?propagationPolicy=Orphan")
    x.patch("orphan: let go", f"{maps}/o", {"metadata": {"finalizers": None}}, MERGE)
    x.post("policy", maps, {"metadata": {"name": "q"}})
    x.delete("policy: unknown", f"{maps}/q", {"propagationPolicy": "Foo"})
    x.delete("policy: background", f"{maps}/q", {"propagationPolicy": "Background"})
    for name in ("k1", "k2", "k3"):
        labels = {"keep": "no" if name != "k3" else "yes"}
        x.post(name, maps, {"metadata": {"name": name, "labels": labels}})
    x.delete("collection by label", f"{maps}?labelSelector=keep%3Dno")
    x.get("what is left", f"{maps}?labelSelector=keep")
    x.delete("collection of services", services)


def patches(x):
    """Where the types of patches differ from one another."""
    services = x.path("services")
    path = f"{services}/web"
    ports = port(80, name="a"), port(443, name="b")
    x.post("create", services, service("web", *ports, type="LoadBalancer", selector={"a": "b"}))
    x.patch("merge: null", path, {"spec": {"selector": None}}, MERGE)
    x.patch("merge: list as a whole", path, {"spec": {"ports": [port(81, name="c")]}}, MERGE)
    x.patch("merge: scalar for a map", path, {"spec": {"selector": "x"}}, MERGE)
    x.patch("list item by key", path, {"spec": {"ports": [port(81, targetPort=8081)]}})
    x.patch(
        "list item of another protocol",
        path,
        {"spec": {"ports": [port(81, name="u", protocol="UDP")]}},
    )
    x.patch(
        "two of one key into some",
        path,
        {"spec": {"ports": [port(90, name="x"), port(90, name="y", protocol="UDP")]}},
    )
    x.patch("delete by key", path, {"spec": {"ports": [{"port": 90, "$patch": "delete"}]}})
    x.patch(
        "delete what is not there", path, {"spec": {"ports": [{"port": 99, "$patch": "delete"}]}}
    )
    x.patch("replace list", path, {"spec": {"ports": [port(80, name="a"), {"$patch": "replace"}]}})
    order = {
        "$setElementOrder/ports": [{"port": 443}, {"port": 80}],
        "ports": [port(443, name="b")],
    }
    x.patch("order", path, {"spec": order})
    x.patch(
        "order against the patch",
        path,
        {"spec": {"$setElementOrder/ports": [{"port": 1}], "ports": [port(2, name="z")]}},
    )
    x.patch("map into none", path, {"spec": {"selector": {"a": "b", "c": None}}})
    x.patch(
        "map directive into none",
        path,
        {"metadata": {"annotations": {"$patch": "replace", "a": "b"}}},
    )
    x.patch("map delete", path, {"metadata": {"annotations": {"$patch": "delete"}}})
    x.patch(
        "list delete of strings into none",
        path,
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a.b/c"]}},
    )
    x.patch("strings merge", path, {"metadata": {"finalizers": ["a.b/c", "a.b/d", "a.b/c"]}})
    x.patch("strings merge more", path, {"metadata": {"finalizers": ["a.b/e", "a.b/c"]}})
    x.patch("strings replaced", path, {"metadata": {"finalizers": None}})
    x.patch("scalar list is replaced", path, {"spec": {"externalIPs": ["1.2.3.4", "1.2.3.5"]}})
    x.patch("scalar list is replaced again", path, {"spec": {"externalIPs": ["1.2.3.5"]}})
    x.patch(
        "retain keys",
        path,
        {"spec": {"$retainKeys": ["ports", "type", "clusterIP"], "type": "LoadBalancer"}},
    )
    x.patch("unknown directive", path, {"spec": {"$patch": "x"}})
    x.patch("item without key", path, {"spec": {"ports": [{"name": "x"}]}})
    x.patch("null item", path, {"spec": {"ports": [None]}})
    add = [{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}]
    x.patch("json: add", path, add, JSON_PATCH)
    x.patch(
        "json: append",
        path,
        [{"op": "add", "path": "/spec/ports/-", "value": port(7, name="g")}],
        JSON_PATCH,
    )
    x.patch(
        "json: escape",
        path,
        [{"op": "add", "path": "/metadata/labels/a~1b", "value": "c"}],
        JSON_PATCH,
    )
    x.patch(
        "json: move",
        path,
        [{"op": "move", "from": "/metadata/labels/a", "path": "/metadata/labels/z"}],
        JSON_PATCH,
    )
    x.patch(
        "json: copy",
        path,
        [{"op": "copy", "from": "/metadata/labels/z", "path": "/metadata/labels/y"}],
        JSON_PATCH,
    )
    x.patch(
        "json: test fails", path, [{"op": "test", "path": "/spec/type", "value": "x"}], JSON_PATCH
    )
    x.patch("json: remove nothing", path, [{"op": "remove", "path": "/spec/nosuch"}], JSON_PATCH)
    x.patch(
        "json: replace nothing",
        path,
        [{"op": "replace", "path": "/spec/nosuch", "value": 1}],
        JSON_PATCH,
    )
    x.patch("json: an object", path, {}, JSON_PATCH)
    applied = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "labels": {"q": "r"}},
    }
    x.patch("apply", f"{path}?fieldManager=me", applied, APPLY)
    taken = {**applied, "spec": {"type": "NodePort"}}
    x.patch("apply: conflict", f"{path}?fieldManager=me", taken, APPLY)
    x.patch("apply: forced", f"{path}?fieldManager=me&force=true", taken, APPLY)
    x.patch("apply: no manager", path, applied, APPLY)
    x.patch(
        "apply: makes it", f"{services}/fresh?fieldManager=me", service("fresh", port(80)), APPLY
    )
    x.patch("apply: another name", f"{services}/other?fieldManager=me", applied, APPLY)
    x.patch("apply: no kind", f"{path}?fieldManager=me", {"metadata": {"name": "web"}}, APPLY)
    x.patch("force without apply", f"{path}?force=true", {}, MERGE)


TOPICS = (creation, conflicts, status_isolation, deletion, patches)
