"""What our manager sends, built by its own code."""

from __future__ import annotations

import datetime

from exchange import MERGE
from requests_common import NODES, SERVICE_ACCOUNTS, node, port, service

from cloudprovider.models import LoadBalancerIngress, NodeAddress, Taint
from cloudprovider_controllers.runtime import lease, patches, tokens

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.UTC)
KUBELET_TAINT = {
    "key": "node.cloudprovider.kubernetes.io/uninitialized",
    "value": "true",
    "effect": "NoSchedule",
}


def node_initialisation(x):
    """The node controller: addresses, then labels, provider id and taints in one patch."""
    made = x.post("kubelet registers", NODES, node(x, "a", spec={"taints": [KUBELET_TAINT]})).json
    uid, path = made["metadata"]["uid"], f"{NODES}/{made['metadata']['name']}"
    addresses = [
        {"type": "InternalIP", "address": "10.0.0.1"},
        {"type": "InternalIP", "address": "10.0.0.2"},
        {"type": "Hostname", "address": "a"},
    ]
    body = {"metadata": {"uid": uid}, "status": {"addresses": addresses}}
    x.patch("addresses", f"{path}/status", body, MERGE)
    x.patch("addresses again", f"{path}/status", body, MERGE)
    x.patch("no addresses", f"{path}/status", {"status": {"addresses": []}}, MERGE)
    taint = Taint(key="node.kubernetes.io/not-ready", effect="NoSchedule")
    live = x.get("read", path).json["metadata"]["resourceVersion"]

    def initialise(version, **fields):
        body = patches.node_initialise(version, **fields)
        return {**body, "metadata": {**body["metadata"], "uid": uid}}

    stale = initialise(made["metadata"]["resourceVersion"], provider_id="cn-hangzhou.i-1")
    x.patch("initialise an old version", path, stale)
    labels = {"topology.kubernetes.io/zone": "z", "topology.kubernetes.io/region": "r"}
    body = initialise(live, provider_id="cn-hangzhou.i-1", labels=labels, taints=[taint])
    x.patch("initialise", path, body)
    live = x.get("read again", path).json["metadata"]["resourceVersion"]
    x.patch("remove the last taint", path, initialise(live, taints=[]))
    other = {"metadata": {"uid": "00000000-0000-0000-0000-000000000000", "labels": {"a": "b"}}}
    x.patch("another node of that name", path, other)
    x.patch("a node that is gone", f"{NODES}/{x.ns}-gone", {"metadata": {"uid": uid}})
    x.patch("labels", path, patches.node_labels({"a": "b", "topology.kubernetes.io/zone": None}))
    condition = patches.node_condition(
        "NetworkUnavailable", status=False, reason="RouteCreated", message="m", now=NOW
    )
    x.patch("condition", f"{path}/status", condition)
    x.patch("condition again", f"{path}/status", condition)
    x.delete("delete another", path, {"preconditions": {"uid": "x"}})
    x.delete("delete", path, {"preconditions": {"uid": uid}})
    x.get("gone", path)


def strategic_addresses(x):
    """Upstream's strategic patch of addresses, whose merge key is not unique."""
    two = [
        NodeAddress(type="InternalIP", address="10.0.0.1"),
        NodeAddress(type="InternalIP", address="10.0.0.2"),
    ]
    three = [*two, NodeAddress(type="Hostname", address="a")]
    made = x.post("create", NODES, node(x, "a")).json
    path = f"{NODES}/{made['metadata']['name']}/status"
    x.patch("two of one type into none", path, patches.node_addresses([], two))
    x.patch("replace", path, patches.node_addresses(two, three))
    x.patch("replace again", path, patches.node_addresses(two, three))
    plain = {"status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.9"}]}}
    x.patch("one merged into two of its type", path, plain)
    twice = (
        {"type": "ExternalIP", "address": "1.2.3.4"},
        {"type": "ExternalIP", "address": "1.2.3.5"},
    )
    x.patch("two new of one type into some", path, {"status": {"addresses": list(twice)}})
    x.patch("null", path, {"status": {"addresses": None}})
    x.patch("two into none again", path, {"status": {"addresses": list(twice)}})


def service_life(x):
    """The service controller: finalizer, status, release; each with the UID."""
    services = x.path("services")
    body = service("web", port(80, name="a"), port(443, name="b"), type="LoadBalancer")
    made = x.post("create", services, body).json
    path, uid = f"{services}/web", made["metadata"]["uid"]

    def write(name, body, **more):
        body = {**body, "metadata": {**body.get("metadata", {}), "uid": uid, **more}}
        return x.patch(name, f"{path}/status", body)

    write("claim", patches.add_finalizer([]))
    write("claim again", patches.add_finalizer([]))
    x.patch("claim another", f"{path}/status", {"metadata": {"uid": "x", "finalizers": ["a.b/c"]}})
    label = {"service.k8s.alibaba/loadbalancer-id": "lb-1"}
    write("id label", {"metadata": {"labels": label}})
    ingress = [LoadBalancerIngress(ip="198.18.0.1"), LoadBalancerIngress(hostname="a.example.com")]
    write("report", patches.service_status(ingress))
    write("report again", patches.service_status(ingress))
    write("report less", patches.service_status(ingress[:1]))
    write("report none", patches.service_status(None))
    write("report none again", patches.service_status([]))
    write("report an ip", patches.service_status(ingress[:1]))
    x.patch("another finalizer", path, {"metadata": {"finalizers": ["example.com/x"]}})
    both = x.get("read", path).json["metadata"]["finalizers"]
    write("remove one of two", patches.remove_finalizer(both))
    write("add to others", patches.add_finalizer(["example.com/x"]))
    x.patch(
        "the other goes",
        path,
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/x"]}},
    )
    only = [patches.LOAD_BALANCER_CLEANUP]
    old = patches.remove_finalizer(only, resource_version=made["metadata"]["resourceVersion"])
    write("release an old version", old)
    x.delete("delete", path)
    write("claim what is being deleted", patches.add_finalizer(["example.com/y"], "example.com/z"))
    live = x.get("being deleted", path).json["metadata"]["resourceVersion"]
    final = patches.remove_finalizer(only, resource_version=live)
    write("release", {**final, **patches.service_status(None)})
    write("release what is gone", patches.remove_finalizer(only))
    x.get("gone", path)
    again = service("web", port(80, name="a"), type="LoadBalancer")
    x.post("create again", services, again)
    write("claim the new one by the old uid", patches.add_finalizer([]))


def leader_election(x):
    """The elector: GET, POST, PUT on the version last seen."""
    leases = x.path("leases", "coordination.k8s.io")
    path = f"{leases}/ccm"

    def body(spec, version=""):
        meta = {"name": "ccm", "namespace": x.ns}
        meta |= {"resourceVersion": version} if version else {}
        kind = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
        return {**kind, "metadata": meta, "spec": spec}

    x.get("none yet", path)
    made = x.post("create", leases, body(lease.held(None, "a", 15, NOW))).json
    x.post("create again", leases, body(lease.held(None, "b", 15, NOW)))
    x.get("read", path)
    later = NOW + datetime.timedelta(seconds=2)
    renewed = x.put("renew", path, {**made, "spec": lease.held(made, "a", 15, later)}).json
    x.put("renew an old version", path, {**made, "spec": lease.held(made, "a", 15, later)})
    x.put("the same again", path, renewed)
    released = x.put("release", path, {**renewed, "spec": lease.released(renewed, later)}).json
    taken = lease.held(released, "b", 15, later)
    x.put("take over", path, {**released, "spec": taken})
    x.put("without a version", path, body(taken))
    x.put("fractions of any length", path, body({**taken, "renewTime": "2026-01-01T00:00:00.5Z"}))
    x.put("no fraction", path, body({**taken, "renewTime": "2026-01-01T00:00:00Z"}))
    x.put("not a time", path, body({**taken, "renewTime": "yesterday"}))
    live = x.get("read again", path).json["metadata"]["resourceVersion"]
    x.put("duration 0", path, body({**taken, "leaseDurationSeconds": 0}, live))
    x.put("negative transitions", path, body({**taken, "leaseTransitions": -1}, live))
    x.put("of another name", f"{leases}/other", body(taken))
    x.put("makes it", f"{leases}/new", {"metadata": {"name": "new"}, "spec": taken})
    x.delete("delete", path)
    x.put("renew what is gone", path, {**released, "spec": taken})
    x.put("renew what is gone, without uid", path, body(taken, live))
    x.put("without version what is gone", path, body(taken))


def events(x):
    """The recorder: POST, then PATCH of count, time and message."""
    path = x.path("events")
    stamp = patches.timestamp(NOW)
    body = {
        "metadata": {"name": "web.17a", "namespace": x.ns},
        "involvedObject": {
            "kind": "Service",
            "namespace": x.ns,
            "name": "web",
            "uid": "u",
            "apiVersion": "v1",
            "resourceVersion": "12",
        },
        "reason": "EnsuringLoadBalancer",
        "message": "Ensuring load balancer",
        "source": {"component": "service-controller", "host": "h"},
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
        "type": "Normal",
        "eventTime": None,
        "reportingComponent": "service-controller",
        "reportingInstance": "h",
    }
    x.post("create", path, body)
    x.post("create again", path, body)
    x.patch("count", f"{path}/web.17a", {"count": 2, "lastTimestamp": stamp, "message": "m"})
    x.patch("count of one that is gone", f"{path}/gone", {"count": 2})
    elsewhere = {"kind": "Service", "name": "n", "namespace": "other"}
    foreign = {**body, "metadata": {"name": "f"}, "involvedObject": elsewhere}
    x.post("about another namespace", path, foreign)
    about_node = {"kind": "Node", "name": "n", "uid": "n", "apiVersion": "v1"}
    x.post("about a node", path, {**foreign, "involvedObject": about_node})
    in_default = {**body, "metadata": {"name": f"{x.ns}.1"}, "involvedObject": about_node}
    x.post("about a node in default", "/api/v1/namespaces/default/events", in_default)
    x.delete("forget it", f"/api/v1/namespaces/default/events/{x.ns}.1")
    x.post("minimal", path, {"metadata": {"name": "m"}, "involvedObject": {"namespace": x.ns}})
    selector = "involvedObject.name%3Dweb,involvedObject.namespace%3D" + x.ns
    x.get("select", f"{path}?fieldSelector={selector}")
    x.get("select by type", f"{path}?fieldSelector=type%3DWarning")
    x.get("select by reason", f"{path}?fieldSelector=reason!%3DEnsuringLoadBalancer")
    newer = "/apis/events.k8s.io/v1"
    x.get("as events.k8s.io", f"{newer}/namespaces/{x.ns}/events/web.17a")
    x.delete("delete", f"{path}/web.17a")


def service_accounts(x):
    """--use-service-account-credentials: accounts and their tokens."""
    accounts = x.path(SERVICE_ACCOUNTS)
    x.get("none yet", f"{accounts}/bot")
    x.post("create", accounts, {"metadata": {"name": "bot", "namespace": x.ns}})
    x.post("create again", accounts, {"metadata": {"name": "bot", "namespace": x.ns}})
    x.get("read", f"{accounts}/bot")
    asked = tokens.request_body(3600)
    token = x.post("token", f"{accounts}/bot/token", asked).json["status"]["token"]
    x.post("token of none", f"{accounts}/gone/token", asked)
    x.post("default lifetime", f"{accounts}/bot/token", {"spec": {}})
    x.post("too short", f"{accounts}/bot/token", tokens.request_body(599))
    x.post("too long", f"{accounts}/bot/token", tokens.request_body(2**32 + 1))
    audience = {"spec": {"audiences": ["vault"], "expirationSeconds": 600}}
    foreign = x.post("other audience", f"{accounts}/bot/token", audience).json["status"]["token"]
    x.get("get a token", f"{accounts}/bot/token")
    who = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    x.post("who am I", who, review, token=token)
    x.post("who am I, other audience", who, review, token=foreign)
    x.get("nothing granted", f"{x.path('services')}", token=token)
    reviews = "/apis/authentication.k8s.io/v1/tokenreviews"
    x.post("review", reviews, {"spec": {"token": token}})
    x.post("review of nonsense", reviews, {"spec": {"token": "nonsense"}})
    fresh = x.post("another token", f"{accounts}/bot/token", asked).json["status"]["token"]
    x.delete("delete the account", f"{accounts}/bot")
    x.wait_until_refused("POST", who, review, token=fresh)
    x.post("who am I, account deleted", who, review, token=fresh)
    x.get("namespace", f"/api/v1/namespaces/{x.ns}")
    x.post("namespace exists", "/api/v1/namespaces", {"metadata": {"name": x.ns}})


TOPICS = (
    node_initialisation,
    strategic_addresses,
    service_life,
    leader_election,
    events,
    service_accounts,
)
