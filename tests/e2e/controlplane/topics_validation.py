"""What is refused, and what a change of a Service's type or ports leads to."""

from __future__ import annotations

from exchange import MERGE
from requests_common import NODES, node, port, service

_LB = "LoadBalancer"
_LOCAL = {"type": _LB, "externalTrafficPolicy": "Local"}
_TWO = [port(80, name="a"), port(443, name="b")]


def _named(name):
    return {**service("x", port(80)), "metadata": {"name": name}}


def _meta(**fields):
    return {**service("m", port(80)), "metadata": {"name": "m", **fields}}


#: name of the question: body of the POST
REFUSED_SERVICES = {
    "name: capitals": _named("Web"),
    "name: dots": _named("a.b"),
    "name: digit first": _named("1a"),
    "name: dash last": _named("a-"),
    "name: 64": _named("a" * 64),
    "name: empty": _named(""),
    "label key": _meta(labels={"a b": "c"}),
    "label value": _meta(labels={"a": "b c"}),
    "label value long": _meta(labels={"a": "b" * 64}),
    "label prefix": _meta(labels={"A/b": "c"}),
    "annotation key": _meta(annotations={"a b": "c"}),
    "annotations too long": _meta(annotations={"a": "b" * 262145}),
    "finalizer": _meta(finalizers=["foo"]),
    "finalizer text": _meta(finalizers=["a.b/c d"]),
    "owner": _meta(ownerReferences=[{"apiVersion": "v1", "kind": "Node", "name": "n"}]),
    "generateName": _meta(generateName="A-"),
    "no ports": service("p"),
    "port 0": service("p", port(0)),
    "port 65536": service("p", port(65536)),
    "port text": service("p", port("80")),
    "port fraction": service("p", port(80.5)),
    "port missing": service("p", {"name": "a"}),
    "names missing": service("p", port(80), port(81)),
    "names twice": service("p", port(80, name="a"), port(81, name="a")),
    "name of a port": service("p", port(80, name="A")),
    "name of a port long": service("p", port(80, name="a" * 64)),
    "port twice": service("p", port(80, name="a"), port(80, name="b")),
    "protocol": service("p", port(80, protocol="HTTP")),
    "target port 0": service("p", port(80, targetPort=-1)),
    "target port name": service("p", port(80, targetPort="Much-Too_Long-A-Name")),
    "target port name long": service("p", port(80, targetPort="a" * 16)),
    "app protocol": service("p", port(80, appProtocol="a b")),
    "node port of ClusterIP": service("p", port(80, nodePort=30050)),
    "node port range": service("p", port(80, nodePort=80), type="NodePort"),
    "node port above": service("p", port(80, nodePort=32768), type="NodePort"),
    "node port twice": service(
        "p", port(80, name="a", nodePort=30050), port(81, name="b", nodePort=30050), type="NodePort"
    ),
    "type": service("p", port(80), type="Ingress"),
    "cluster ip text": service("p", port(80), clusterIP="foo"),
    "cluster ip range": service("p", port(80), clusterIP="10.0.0.1"),
    "cluster ip of another": service("p", port(80), clusterIP="10.96.0.1"),
    "cluster ips differ": service("p", port(80), clusterIP="10.96.3.1", clusterIPs=["10.96.3.2"]),
    "two of one family": service("p", port(80), clusterIPs=["10.96.3.1", "10.96.3.2"]),
    "IPv6": service("p", port(80), ipFamilies=["IPv6"]),
    "dual stack": service("p", port(80), ipFamilyPolicy="RequireDualStack"),
    "family": service("p", port(80), ipFamilies=["IPv5"]),
    "family policy": service("p", port(80), ipFamilyPolicy="Foo"),
    "headless LoadBalancer": service("p", port(80), type=_LB, clusterIP="None"),
    "affinity": service("p", port(80), sessionAffinity="Cookie"),
    "affinity 0": service(
        "p",
        port(80),
        sessionAffinity="ClientIP",
        sessionAffinityConfig={"clientIP": {"timeoutSeconds": 0}},
    ),
    "affinity config alone": service(
        "p", port(80), sessionAffinityConfig={"clientIP": {"timeoutSeconds": 5}}
    ),
    "external policy": service("p", port(80), type=_LB, externalTrafficPolicy="Node"),
    "external policy of ClusterIP": service("p", port(80), externalTrafficPolicy="Local"),
    "internal policy": service("p", port(80), internalTrafficPolicy="Node"),
    "health port without Local": service("p", port(80), type=_LB, healthCheckNodePort=30051),
    "health port range": service("p", port(80), **_LOCAL, healthCheckNodePort=80),
    "external ip": service("p", port(80), externalIPs=["foo"]),
    "external ip loopback": service("p", port(80), externalIPs=["127.0.0.1"]),
    "balancer ip": service("p", port(80), type=_LB, loadBalancerIP="foo"),
    "source range": service("p", port(80), type=_LB, loadBalancerSourceRanges=["10.0.0.0"]),
    "source range of NodePort": service(
        "p", port(80), type="NodePort", loadBalancerSourceRanges=["10.0.0.0/8"]
    ),
    "class": service("p", port(80), type=_LB, loadBalancerClass="a b"),
    "class of NodePort": service("p", port(80), type="NodePort", loadBalancerClass="a/b"),
    "allocate of ClusterIP": service("p", port(80), allocateLoadBalancerNodePorts=True),
    "external name missing": service("p", type="ExternalName"),
    "external name text": service("p", type="ExternalName", externalName="a b"),
    "external name with ip": service(
        "p", type="ExternalName", externalName="a.b", clusterIP="10.96.3.3"
    ),
    "selector key": service("p", port(80), selector={"a b": "c"}),
    "selector value": service("p", port(80), selector={"a": "b c"}),
    "traffic distribution": service("p", port(80), trafficDistribution="Foo"),
    "spec is a list": {**service("p"), "spec": []},
    "labels is a list": _meta(labels=[]),
    "label is a number": _meta(labels={"a": 1}),
    "several": service("P", port(0, protocol="X"), type="Y"),
}


def refused_services(x):
    """POSTs of Services that must not be made."""
    for number, (name, body) in enumerate(REFUSED_SERVICES.items()):
        if body["metadata"]["name"] in {"m", "p"}:
            body = {**body, "metadata": {**body["metadata"], "name": f"r{number}"}}
        x.post(name, x.path("services"), body)


def service_defaults(x):
    """What a new Service of each kind is filled up with."""
    for name, body in {
        "cluster-ip": service("s", port(80)),
        "node-port": service("s", port(80), type="NodePort"),
        "node-port-given": service("s", port(80, nodePort=30060), type="NodePort"),
        "balancer": service("s", *_TWO, type=_LB),
        "balancer-local": service("s", port(80), **_LOCAL),
        "balancer-local-port": service("s", port(80), **_LOCAL, healthCheckNodePort=30061),
        "no-node-ports": service("s", port(80), type=_LB, allocateLoadBalancerNodePorts=False),
        "no-node-ports-but-one": service(
            "s", port(80, nodePort=30062), type=_LB, allocateLoadBalancerNodePorts=False
        ),
        "class": service("s", port(80), type=_LB, loadBalancerClass="a.b/c"),
        "balancer-ip": service("s", port(80), type=_LB, loadBalancerIP="1.2.3.4"),
        "source-ranges": service("s", port(80), type=_LB, loadBalancerSourceRanges=["10.0.0.0/8"]),
        "headless": service("s", port(80), clusterIP="None"),
        "headless-no-selector": service("s", clusterIP="None"),
        "headless-selector": service("s", clusterIP="None", selector={"a": "b"}),
        "external-name": service("s", type="ExternalName", externalName="example.com"),
        "affinity": service("s", port(80), sessionAffinity="ClientIP"),
        "udp-and-tcp": service(
            "s", port(53, name="t"), port(53, name="u", protocol="UDP"), type=_LB
        ),
        "sctp": service("s", port(53, protocol="SCTP"), type=_LB),
        "empty-strings": service("s", port(80, name=""), clusterIP="", type="", sessionAffinity=""),
        "nulls": service("s", port(80), selector=None, externalIPs=None, clusterIP=None),
        "target-name": service("s", port(80, targetPort="http", appProtocol="http")),
        "cluster-ip-given": service("s", port(80), clusterIP="10.96.4.4"),
        "distribution": service("s", port(80), trafficDistribution="PreferClose"),
        "prefer-dual": service("s", port(80), ipFamilyPolicy="PreferDualStack"),
    }.items():
        x.post(name, x.path("services"), {**body, "metadata": {"name": name}})


def service_changes(x):
    """Types and ports of a Service change: what is kept, what goes, what may not."""
    services = x.path("services")
    path = f"{services}/web"
    x.post("create", services, service("web", *_TWO, **_LOCAL, selector={"a": "b"}))
    x.patch("another cluster ip", path, {"spec": {"clusterIP": "10.96.5.5"}}, MERGE)
    x.patch("no cluster ip", path, {"spec": {"clusterIP": None, "clusterIPs": None}}, MERGE)
    x.patch("headless", path, {"spec": {"clusterIP": "None", "clusterIPs": ["None"]}}, MERGE)
    x.patch("another family", path, {"spec": {"ipFamilies": ["IPv6"]}}, MERGE)
    x.patch("a class", path, {"spec": {"loadBalancerClass": "a/b"}}, MERGE)
    x.patch("another health port", path, {"spec": {"healthCheckNodePort": 30063}}, MERGE)
    x.patch("Cluster", path, {"spec": {"externalTrafficPolicy": "Cluster"}}, MERGE)
    x.patch("Local again", path, {"spec": {"externalTrafficPolicy": "Local"}}, MERGE)
    x.patch(
        "a node port", path, {"spec": {"ports": [{**_TWO[0], "nodePort": 30064}, _TWO[1]]}}, MERGE
    )
    x.patch(
        "its node ports are kept", path, {"spec": {"ports": [port(81, name="a"), _TWO[1]]}}, MERGE
    )
    x.patch("one port fewer", path, {"spec": {"ports": [_TWO[1]]}}, MERGE)
    x.patch("no port", path, {"spec": {"ports": []}}, MERGE)
    x.post(
        "takes the freed node port",
        services,
        service("other", port(80, nodePort=30064), type="NodePort"),
    )
    x.patch("a taken node port", path, {"spec": {"ports": [{**_TWO[1], "nodePort": 30064}]}}, MERGE)
    x.patch("NodePort", path, {"spec": {"type": "NodePort"}})
    x.patch("ClusterIP", path, {"spec": {"type": "ClusterIP"}})
    x.patch("LoadBalancer", path, {"spec": {"type": _LB}})
    x.patch(
        "ClusterIP with a node port",
        path,
        {"spec": {"type": "ClusterIP", "ports": [{**_TWO[1], "nodePort": 30065}]}},
        MERGE,
    )
    x.patch("ExternalName", path, {"spec": {"type": "ExternalName", "externalName": "example.com"}})
    x.patch("LoadBalancer from ExternalName", path, {"spec": {"type": _LB, "externalName": None}})
    x.patch("no node ports from now on", path, {"spec": {"allocateLoadBalancerNodePorts": False}})
    x.patch("class at the change of type", path, {"spec": {"type": "ClusterIP"}})
    x.patch("and back", path, {"spec": {"type": _LB, "loadBalancerClass": "a/b"}})
    x.patch("another class", path, {"spec": {"loadBalancerClass": "c/d"}})
    x.patch("affinity", path, {"spec": {"sessionAffinity": "ClientIP"}})
    x.patch("no affinity", path, {"spec": {"sessionAffinity": "None"}})
    x.put(
        "a put without allocated fields",
        path,
        service("web", *_TWO, type=_LB, loadBalancerClass="a/b"),
    )
    for name, ingress in {
        "a name": [{"hostname": "a.example.com"}],
        "bad ip": [{"ip": "foo"}],
        "an ip as a name": [{"hostname": "1.2.3.4"}],
        "a bad name": [{"hostname": "A b"}],
        "both": [{"ip": "1.2.3.4", "hostname": "a.b"}],
        "neither": [{}],
        "mode without ip": [{"hostname": "a.b", "ipMode": "VIP"}],
        "unknown mode": [{"ip": "1.2.3.4", "ipMode": "Foo"}],
        "proxy": [{"ip": "1.2.3.4", "ipMode": "Proxy"}],
        "IPv6": [{"ip": "2001:db8::1"}],
        "ports": [{"ip": "1.2.3.4", "ports": [{"port": 80, "protocol": "TCP"}]}],
        "twice": [{"ip": "1.2.3.4"}, {"ip": "1.2.3.4"}],
    }.items():
        status = {"status": {"loadBalancer": {"ingress": ingress}}}
        x.patch(f"status: {name}", f"{path}/status", status)


def node_ports_given_back(x):
    """Who keeps node ports that a change does not name: only who still wants them."""
    one = (port(80, name="a", nodePort=30080), port(81, name="b", nodePort=30081))
    other = port(80, name="a"), one[1]
    none = {"allocateLoadBalancerNodePorts": False}
    for name, before, after in (
        ("still wanted", {"type": _LB}, {"type": _LB}),
        ("not wanted any more", {"type": _LB}, {"type": _LB, **none}),
        ("not wanted before", {"type": _LB, **none}, {"type": _LB, **none}),
        ("not wanted by a load balancer", {"type": "NodePort"}, {"type": _LB, **none}),
    ):
        path = f"{x.path('services')}/web"
        x.post(f"{name}: create", x.path("services"), service("web", *one, **before))
        x.put(f"{name}: change", path, service("web", *other, **after))
        x.delete(f"{name}: delete", path)


def nodes(x):
    """What may be written to a Node."""
    x.post("bad name", NODES, {"metadata": {"name": "Node"}})
    made = x.post("create", NODES, node(x, "a")).json
    path = f"{NODES}/{made['metadata']['name']}"

    def taints(name, *listed):
        x.patch(name, path, {"spec": {"taints": list(listed)}})

    taints("effect", {"key": "x", "effect": "Foo"})
    taints("no effect", {"key": "x"})
    taints("no key", {"effect": "NoSchedule"})
    taints("bad key", {"key": "a b", "effect": "NoSchedule"})
    taints("bad value", {"key": "x", "value": "a b", "effect": "NoSchedule"})
    taints(
        "twice",
        {"key": "x", "effect": "NoSchedule"},
        {"key": "x", "effect": "NoSchedule", "value": "y"},
    )
    taints("two effects", {"key": "x", "effect": "NoSchedule"}, {"key": "x", "effect": "NoExecute"})
    x.patch("provider id", path, {"spec": {"providerID": "a.i-1"}})
    x.patch("another provider id", path, {"spec": {"providerID": "a.i-2"}})
    x.patch("no provider id", path, {"spec": {"providerID": None}})
    x.patch("pod cidr", path, {"spec": {"podCIDR": "10.1.0.0/24"}})
    x.patch(
        "another pod cidr",
        path,
        {"spec": {"podCIDR": "10.2.0.0/24", "podCIDRs": ["10.2.0.0/24"]}},
        MERGE,
    )
    x.post("bad pod cidr", NODES, node(x, "b", spec={"podCIDR": "foo"}))
    two = {"podCIDRs": ["10.1.0.0/24", "10.2.0.0/24"]}
    x.post("two pod cidrs", NODES, node(x, "b", spec=two))
    x.patch("unschedulable", path, {"spec": {"unschedulable": True}})
    x.patch("label", path, {"metadata": {"labels": {"a b": "c"}}})
    x.patch("name", path, {"metadata": {"name": "b"}}, MERGE)
    status = {"capacity": {"cpu": "four"}}
    x.patch("bad quantity", f"{path}/status", {"status": status})
    twice = [{"type": "InternalIP", "address": "10.0.0.1"}] * 2
    x.patch("address twice", f"{path}/status", {"status": {"addresses": twice}}, MERGE)
    x.patch(
        "address text",
        f"{path}/status",
        {"status": {"addresses": [{"type": "InternalIP", "address": "x"}]}},
        MERGE,
    )
    x.patch(
        "a bad time",
        f"{path}/status",
        {"status": {"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "x"}]}},
    )
    x.patch(
        "a time in another zone",
        f"{path}/status",
        {
            "status": {
                "conditions": [
                    {
                        "type": "Ready",
                        "status": "True",
                        "lastHeartbeatTime": "2026-01-01T02:00:00.5+02:00",
                    }
                ]
            }
        },
    )


TOPICS = (refused_services, service_defaults, service_changes, node_ports_given_back, nodes)
