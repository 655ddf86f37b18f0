# ruff: noqa: E501 - tables, one request a line
"""The requests of one conversation with an API server, one a line."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

SVC = "/api/v1/namespaces/default/services"
NODES = "/api/v1/nodes"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
EVENTS = "/api/v1/namespaces/default/events"
STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"


@dataclasses.dataclass(frozen=True)
class Step:
    """One request. ``body`` may be a function of the answers so far, by step name."""

    name: str
    method: str
    path: str
    body: Any = None
    type: str = "application/json"


def port(number: int, **fields: Any) -> dict[str, Any]:
    return {"port": number, **fields}


def service(name: str, *ports: dict[str, Any], kind: str = "", **spec: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}}
    body["spec"] = {**({"ports": list(ports)} if ports else {}), **spec}
    if kind:
        body["spec"]["type"] = kind
    return body


def stale(step: str, change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], Any]:
    """The answer of ``step``, changed: a write that starts from an old state."""

    def build(answers: dict[str, Any]) -> Any:
        body = copy.deepcopy(answers[step])
        change(body)
        return body

    return build


def _label(body: dict[str, Any]) -> None:
    body["metadata"].setdefault("labels", {})["stale"] = "yes"


def _steps(prefix: str, path: str, *steps: tuple[str, str, str, Any, str]) -> list[Step]:
    return [
        Step(f"{prefix}: {name}", method, path + suffix, body, kind)
        for name, method, suffix, body, kind in steps
    ]


_J = "application/json"
_FINALIZER = "service.kubernetes.io/load-balancer-cleanup"

DEFAULTS = _steps(
    "defaults", SVC,
    ("cluster ip", "POST", "", service("d1", port(80)), _J),
    ("node port", "POST", "", service("d2", port(80), kind="NodePort"), _J),
    ("balancer", "POST", "", service("d3", port(80, name="a"), port(443, name="b"), kind="LoadBalancer"), _J),
    ("balancer local", "POST", "", service("d4", port(80), kind="LoadBalancer", externalTrafficPolicy="Local"), _J),
    ("no node ports", "POST", "", service("d5", port(80), kind="LoadBalancer", allocateLoadBalancerNodePorts=False), _J),
    ("headless", "POST", "", service("d6", port(80), clusterIP="None"), _J),
    ("headless no ports", "POST", "", service("d7", clusterIP="None", selector={"a": "b"}), _J),
    ("external name", "POST", "", service("d8", kind="ExternalName", externalName="example.com"), _J),
    ("external ips", "POST", "", service("d9", port(80), externalIPs=["1.2.3.4"]), _J),
    ("affinity", "POST", "", service("d10", port(80), sessionAffinity="ClientIP"), _J),
    ("udp and tcp", "POST", "", service("d11", port(53, name="t"), port(53, name="u", protocol="UDP"), kind="LoadBalancer"), _J),
    ("class", "POST", "", service("d12", port(80), kind="LoadBalancer", loadBalancerClass="example.com/x"), _J),
    ("named target", "POST", "", service("d13", port(80, targetPort="http", appProtocol="http")), _J),
    ("status given", "POST", "", {**service("d14", port(80), kind="LoadBalancer"), "status": {"loadBalancer": {"ingress": [{"ip": "1.1.1.1"}]}}}, _J),
)  # fmt: skip

INVALID = _steps(
    "invalid", SVC,
    ("no ports", "POST", "", service("i1"), _J),
    ("port range", "POST", "", service("i2", port(0)), _J),
    ("names missing", "POST", "", service("i3", port(80), port(81)), _J),
    ("names twice", "POST", "", service("i4", port(80, name="a"), port(81, name="a")), _J),
    ("ports twice", "POST", "", service("i5", port(80, name="a"), port(80, name="b")), _J),
    ("protocol", "POST", "", service("i6", port(80, protocol="XYZ")), _J),
    ("type", "POST", "", service("i7", port(80), kind="Foo"), _J),
    ("node port on cluster ip", "POST", "", service("i8", port(80, nodePort=30100)), _J),
    ("node port range", "POST", "", service("i9", port(80, nodePort=80), kind="NodePort"), _J),
    ("cluster ip text", "POST", "", service("i10", port(80), clusterIP="foo"), _J),
    ("cluster ip range", "POST", "", service("i11", port(80), clusterIP="1.2.3.4"), _J),
    ("cluster ip taken", "POST", "", service("i12", port(80), clusterIP="10.96.0.1"), _J),
    ("headless balancer", "POST", "", service("i13", port(80), kind="LoadBalancer", clusterIP="None"), _J),
    ("affinity", "POST", "", service("i14", port(80), sessionAffinity="Foo"), _J),
    ("affinity seconds", "POST", "", service("i15", port(80), sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 100000}}), _J),
    ("policy on cluster ip", "POST", "", service("i16", port(80), externalTrafficPolicy="Local"), _J),
    ("policy value", "POST", "", service("i17", port(80), kind="LoadBalancer", externalTrafficPolicy="Foo"), _J),
    ("ranges without balancer", "POST", "", service("i18", port(80), loadBalancerSourceRanges=["10.0.0.0/8"]), _J),
    ("ranges text", "POST", "", service("i19", port(80), kind="LoadBalancer", loadBalancerSourceRanges=["foo"]), _J),
    ("class without balancer", "POST", "", service("i20", port(80), loadBalancerClass="example.com/x"), _J),
    ("class text", "POST", "", service("i21", port(80), kind="LoadBalancer", loadBalancerClass="a b"), _J),
    ("external name missing", "POST", "", service("i22", kind="ExternalName"), _J),
    ("health port", "POST", "", service("i23", port(80), kind="NodePort", healthCheckNodePort=31000), _J),
    ("selector", "POST", "", service("i24", port(80), selector={"a b": "c"}), _J),
    ("label value", "POST", "", {**service("i25", port(80)), "metadata": {"name": "i25", "labels": {"a": "b c"}}}, _J),
    ("annotation key", "POST", "", {**service("i26", port(80)), "metadata": {"name": "i26", "annotations": {"a b": "c"}}}, _J),
    ("finalizer", "POST", "", {**service("i27", port(80)), "metadata": {"name": "i27", "finalizers": ["foo"]}}, _J),
    ("no name", "POST", "", {**service("", port(80)), "metadata": {}}, _J),
    ("target port", "POST", "", service("i28", port(80, targetPort=0.5)), _J),
    ("target name", "POST", "", service("i29", port(80, targetPort="much-too-long-a-name")), _J),
    ("wrong type", "POST", "", service("i30", port("80")), _J),  # type: ignore[arg-type]
    ("wrong kind", "POST", "", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}, _J),
    ("not json", "POST", "", b"{", _J),
    ("media type", "POST", "", b"x", "text/plain"),
    ("exists", "POST", "", service("d1", port(80)), _J),
    ("unknown field", "POST", "?fieldValidation=Strict", service("i31", port(80), foo=1), _J),
    ("unknown fields", "POST", "?fieldValidation=Strict", service("i32", port(80, bar=1), foo=1), _J),
    ("unknown ignored", "POST", "?dryRun=All", service("i33", port(80), foo=1), _J),
    ("namespace mismatch", "POST", "", {**service("i34", port(80)), "metadata": {"name": "i34", "namespace": "other"}}, _J),
    ("version on create", "POST", "", {**service("i35", port(80)), "metadata": {"name": "i35", "resourceVersion": "1"}}, _J),
    ("external ip", "POST", "", service("i36", port(80), externalIPs=["foo"]), _J),
    ("no such namespace", "GET", "/nosuch", None, _J),
    ("delete absent", "DELETE", "/nosuch", None, _J),
    ("patch absent", "PATCH", "/nosuch", {}, MERGE),
    ("bad selector", "GET", "?labelSelector=a%20b%20c", None, _J),
    ("bad field selector", "GET", "?fieldSelector=spec.foo%3Da", None, _J),
)  # fmt: skip

UPDATES = _steps(
    "update", SVC,
    ("create", "POST", "", service("u1", port(80, name="a"), port(443, name="b"), kind="LoadBalancer", selector={"app": "x"}), _J),
    ("add finalizer by status", "PATCH", "/u1/status", {"metadata": {"finalizers": [_FINALIZER]}}, STRATEGIC),
    ("again", "PATCH", "/u1/status", {"metadata": {"finalizers": [_FINALIZER]}}, STRATEGIC),
    ("status", "PATCH", "/u1/status", {"status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}}, STRATEGIC),
    ("status again", "PATCH", "/u1/status", {"status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}}, STRATEGIC),
    ("status hostname", "PATCH", "/u1/status", {"status": {"loadBalancer": {"ingress": [{"hostname": "a.example.com"}]}}}, STRATEGIC),
    ("status bad ip", "PATCH", "/u1/status", {"status": {"loadBalancer": {"ingress": [{"ip": "foo"}]}}}, STRATEGIC),
    ("status ip as name", "PATCH", "/u1/status", {"status": {"loadBalancer": {"ingress": [{"hostname": "1.2.3.4"}]}}}, STRATEGIC),
    ("status mode without ip", "PATCH", "/u1/status", {"status": {"loadBalancer": {"ingress": [{"hostname": "a.b", "ipMode": "VIP"}]}}}, STRATEGIC),
    ("status clear", "PATCH", "/u1/status", {"status": {"loadBalancer": {"ingress": None}}}, STRATEGIC),
    ("status empty list", "PATCH", "/u1/status", {"status": {"loadBalancer": {"ingress": []}}}, STRATEGIC),
    ("spec by status", "PATCH", "/u1/status", {"spec": {"type": "ClusterIP"}}, MERGE),
    ("spec and status by status", "PATCH", "/u1/status", {"spec": {"type": "NodePort"}, "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}}, MERGE),
    ("status of a cluster ip", "PATCH", "/d1/status", {"status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}}, MERGE),
    ("managed fields emptied", "PATCH", "/d1", {"metadata": {"managedFields": []}}, MERGE),
    ("managed fields reset", "PATCH", "/d1", {"metadata": {"managedFields": [{}]}}, MERGE),
    ("status by main", "PATCH", "/u1", {"status": {"loadBalancer": {"ingress": [{"ip": "9.9.9.9"}]}}}, MERGE),
    ("label by status", "PATCH", "/u1/status", {"metadata": {"labels": {"x": "y"}}}, MERGE),
    ("empty patch", "PATCH", "/u1", {}, STRATEGIC),
    ("port merge", "PATCH", "/u1", {"spec": {"ports": [{"port": 443, "targetPort": 8443}]}}, STRATEGIC),
    ("port add", "PATCH", "/u1", {"spec": {"ports": [{"port": 8080, "name": "c"}]}}, STRATEGIC),
    ("port order", "PATCH", "/u1", {"spec": {"$setElementOrder/ports": [{"port": 8080}, {"port": 80}, {"port": 443}]}}, STRATEGIC),
    ("port delete", "PATCH", "/u1", {"spec": {"ports": [{"port": 8080, "$patch": "delete"}]}}, STRATEGIC),
    ("port replace", "PATCH", "/u1", {"spec": {"ports": [{"$patch": "replace"}, {"port": 81, "name": "a"}]}}, STRATEGIC),
    ("first item of two lists", "PATCH", "/d2", {"spec": {"ports": [{"port": 80, "protocol": "UDP", "name": "u"}, {"port": 80, "protocol": "TCP", "name": "t"}]}}, STRATEGIC),
    ("unschedule nothing", "PATCH", "/d2", {"spec": {"publishNotReadyAddresses": False}}, MERGE),
    ("empty strings", "PATCH", "/d2", {"spec": {"loadBalancerIP": "", "externalName": ""}}, MERGE),
    ("null map", "PATCH", "/d2", {"metadata": {"labels": None, "annotations": {}}}, MERGE),
    ("node port change", "PATCH", "/d2", {"spec": {"ports": [{"port": 80, "name": "t", "nodePort": 31999}]}}, MERGE),
    ("node port zero", "PATCH", "/d2", {"spec": {"ports": [{"port": 80, "name": "t", "nodePort": 0}]}}, MERGE),
    ("ports renamed", "PATCH", "/d2", {"spec": {"ports": [{"port": 80, "name": "z"}]}}, MERGE),
    ("headless from none", "PATCH", "/d2", {"spec": {"clusterIP": "None"}}, MERGE),
    ("source ranges", "PATCH", "/d3", {"spec": {"loadBalancerSourceRanges": ["10.0.0.0/8", " 1.2.3.4/32 "]}}, MERGE),
    ("class on none", "PATCH", "/d3", {"spec": {"loadBalancerClass": ""}}, MERGE),
    ("balancer to cluster ip with class", "PATCH", "/d12", {"spec": {"type": "ClusterIP"}}, MERGE),
    ("external name to cluster ip", "PATCH", "/d8", {"spec": {"type": "ClusterIP", "ports": [{"port": 80}]}}, MERGE),
    ("owner", "PATCH", "/d3", {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}]}}, MERGE),
    ("owner without uid", "PATCH", "/d3", {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n"}]}}, MERGE),
    ("no merge key", "PATCH", "/u1", {"spec": {"ports": [{"name": "a"}]}}, STRATEGIC),
    ("bad directive", "PATCH", "/u1", {"spec": {"$patch": "foo"}}, STRATEGIC),
    ("selector merges", "PATCH", "/u1", {"spec": {"selector": {"tier": "web"}}}, STRATEGIC),
    ("selector replace", "PATCH", "/u1", {"spec": {"selector": {"$patch": "replace", "only": "this"}}}, STRATEGIC),
    ("retain keys", "PATCH", "/u1", {"metadata": {"labels": {"$retainKeys": ["k"], "k": "v"}}}, STRATEGIC),
    ("second finalizer", "PATCH", "/u1/status", {"metadata": {"$setElementOrder/finalizers": [_FINALIZER, "example.com/x"], "finalizers": ["example.com/x"]}}, STRATEGIC),
    ("finalizer order", "PATCH", "/u1", {"metadata": {"$setElementOrder/finalizers": ["example.com/x", _FINALIZER]}}, STRATEGIC),
    ("remove finalizer", "PATCH", "/u1/status", {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/x"], "$setElementOrder/finalizers": [_FINALIZER]}}, STRATEGIC),
    ("bad finalizer", "PATCH", "/u1", {"metadata": {"finalizers": ["foo"]}}, MERGE),
    ("json patch", "PATCH", "/u1", [{"op": "add", "path": "/metadata/annotations", "value": {"a": "b"}}, {"op": "test", "path": "/spec/type", "value": "LoadBalancer"}], JSON_PATCH),
    ("json patch fails", "PATCH", "/u1", [{"op": "test", "path": "/spec/type", "value": "ClusterIP"}], JSON_PATCH),
    ("json patch path", "PATCH", "/u1", [{"op": "remove", "path": "/spec/nosuch"}], JSON_PATCH),
    ("json patch op", "PATCH", "/u1", [{"op": "foo", "path": "/spec/type"}], JSON_PATCH),
    ("patch type", "PATCH", "/u1", {}, "application/json"),
    ("patch not json", "PATCH", "/u1", b"{", MERGE),
    ("merge with version", "PATCH", "/u1", {"metadata": {"resourceVersion": "1", "labels": {"v": "w"}}}, MERGE),
    ("merge with uid", "PATCH", "/u1", {"metadata": {"uid": "foo"}}, MERGE),
    ("rename", "PATCH", "/u1", {"metadata": {"name": "foo"}}, MERGE),
    ("cluster ip", "PATCH", "/u1", {"spec": {"clusterIP": "10.96.0.77"}}, MERGE),
    ("class set", "PATCH", "/u1", {"spec": {"loadBalancerClass": "example.com/x"}}, MERGE),
    ("local", "PATCH", "/u1", {"spec": {"externalTrafficPolicy": "Local"}}, MERGE),
    ("health port", "PATCH", "/u1", {"spec": {"healthCheckNodePort": 32000}}, MERGE),
    ("cluster", "PATCH", "/u1", {"spec": {"externalTrafficPolicy": "Cluster"}}, MERGE),
    ("to cluster ip", "PATCH", "/u1", {"spec": {"type": "ClusterIP"}}, STRATEGIC),
    ("to node port", "PATCH", "/u1", {"spec": {"type": "NodePort"}}, STRATEGIC),
    ("to external name", "PATCH", "/u1", {"spec": {"type": "ExternalName", "externalName": "example.com"}}, MERGE),
    ("back to balancer", "PATCH", "/u1", {"spec": {"type": "LoadBalancer", "externalName": None}}, MERGE),
    ("get", "GET", "/u1", None, _J),
    ("put stale", "PUT", "/u1", stale("update: create", _label), _J),
    ("put", "PUT", "/u1", stale("update: get", _label), _J),
    ("put same", "PUT", "/u1", stale("update: put", lambda body: None), _J),
    ("put minimal", "PUT", "/u1", service("u1", port(81, name="a"), kind="LoadBalancer"), _J),
    ("put name", "PUT", "/u1", service("foo", port(81)), _J),
    ("put absent", "PUT", "/nosuch", service("nosuch", port(81)), _J),
    ("get absent", "GET", "/nosuch", None, _J),
    ("delete pending", "DELETE", "/u1", None, _J),
    ("delete again", "DELETE", "/u1", None, _J),
    ("add finalizer late", "PATCH", "/u1", {"metadata": {"finalizers": [_FINALIZER, "example.com/late"]}}, MERGE),
    ("last finalizer", "PATCH", "/u1/status", {"metadata": {"finalizers": None}}, STRATEGIC),
    ("gone", "GET", "/u1", None, _J),
)  # fmt: skip

_NODE = {
    "apiVersion": "v1", "kind": "Node",
    "metadata": {"name": "n1", "labels": {"a": "b"}},
    "spec": {"taints": [{"key": "node.cloudprovider.kubernetes.io/uninitialized", "value": "true", "effect": "NoSchedule"}]},
    "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}], "conditions": [{"type": "Ready", "status": "True"}],
               "nodeInfo": {"kubeletVersion": "v1.32.0"}},
}  # fmt: skip
NODE = _steps(
    "node", NODES,
    ("create", "POST", "", _NODE, _J),
    ("taints", "PATCH", "/n1", {"spec": {"taints": [{"key": "x", "effect": "NoSchedule"}]}}, STRATEGIC),
    ("taints null", "PATCH", "/n1", {"spec": {"taints": None}}, STRATEGIC),
    ("taint effect", "PATCH", "/n1", {"spec": {"taints": [{"key": "x", "effect": "Foo"}]}}, STRATEGIC),
    ("taint twice", "PATCH", "/n1", {"spec": {"taints": [{"key": "x", "effect": "NoSchedule"}, {"key": "x", "effect": "NoSchedule", "value": "y"}]}}, STRATEGIC),
    ("taint key", "PATCH", "/n1", {"spec": {"taints": [{"key": "a b", "effect": "NoSchedule"}]}}, STRATEGIC),
    ("provider id", "PATCH", "/n1", {"spec": {"providerID": "cn.i-1"}}, STRATEGIC),
    ("provider id change", "PATCH", "/n1", {"spec": {"providerID": "cn.i-2"}}, STRATEGIC),
    ("unschedulable", "PATCH", "/n1", {"spec": {"unschedulable": True}}, STRATEGIC),
    ("schedulable", "PATCH", "/n1", {"spec": {"unschedulable": False}}, STRATEGIC),
    ("pod cidr", "PATCH", "/n1", {"spec": {"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.1.0.0/24"]}}, STRATEGIC),
    ("pod cidr change", "PATCH", "/n1", {"spec": {"podCIDR": "10.2.0.0/24", "podCIDRs": ["10.2.0.0/24"]}}, STRATEGIC),
    ("addresses", "PATCH", "/n1/status", {"status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.2"}, {"type": "ExternalIP", "address": "1.2.3.4"}, {"$patch": "replace"}]}}, STRATEGIC),
    ("address merge", "PATCH", "/n1/status", {"status": {"addresses": [{"type": "Hostname", "address": "n1"}]}}, STRATEGIC),
    ("address twice", "PATCH", "/n1/status", {"status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.2"}, {"type": "InternalIP", "address": "10.0.0.2"}]}}, MERGE),
    ("condition", "PATCH", "/n1/status", {"status": {"conditions": [{"type": "NetworkUnavailable", "status": "False", "reason": "RouteCreated", "message": "m", "lastHeartbeatTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}}, STRATEGIC),
    ("condition update", "PATCH", "/n1/status", {"status": {"conditions": [{"type": "NetworkUnavailable", "status": "True"}]}}, STRATEGIC),
    ("spec by status", "PATCH", "/n1/status", {"spec": {"unschedulable": True}}, STRATEGIC),
    ("status by main", "PATCH", "/n1", {"status": {"phase": "Running"}}, STRATEGIC),
    ("label by status", "PATCH", "/n1/status", {"metadata": {"labels": {"x": "y"}}}, STRATEGIC),
    ("labels null", "PATCH", "/n1", {"metadata": {"labels": {"a": None}}}, STRATEGIC),
    ("delete wrong uid", "DELETE", "/n1", {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "foo"}}, _J),
    ("delete wrong version", "DELETE", "/n1", {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"resourceVersion": "1"}}, _J),
    ("delete", "DELETE", "/n1", None, _J),
    ("gone", "GET", "/n1", None, _J),
)  # fmt: skip

_LEASE = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l1"},
          "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15, "acquireTime": "2026-01-01T00:00:00.000000Z",
                   "renewTime": "2026-01-01T00:00:00.000000Z", "leaseTransitions": 0}}  # fmt: skip
OTHERS = [
    *_steps(
        "lease", LEASES,
        ("create", "POST", "", _LEASE, _J),
        ("put", "PUT", "/l1", stale("lease: create", lambda b: b["spec"].update(holderIdentity="")), _J),
        ("put stale", "PUT", "/l1", stale("lease: create", lambda b: b["spec"].update(holderIdentity="c")), _J),
        ("put unconditional", "PUT", "/l1", _LEASE, _J),
        ("put absent", "PUT", "/l2", {**_LEASE, "metadata": {"name": "l2"}}, _J),
        ("duration", "PATCH", "/l1", {"spec": {"leaseDurationSeconds": 0}}, MERGE),
        ("exists", "POST", "", _LEASE, _J),
        ("absent", "GET", "/nosuch", None, _J),
        ("delete", "DELETE", "/l1", None, _J),
    ),
    *_steps(
        "slice", SLICES,
        ("create", "POST", "", {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "s1", "labels": {"kubernetes.io/service-name": "u1"}}, "addressType": "IPv4", "endpoints": [{"addresses": ["10.1.0.1"], "nodeName": "n1", "conditions": {"ready": True}}], "ports": [{"port": 80}]}, _J),
        ("no type", "POST", "", {"metadata": {"name": "s2"}, "endpoints": []}, _J),
        ("change", "PATCH", "/s1", {"endpoints": [{"addresses": ["10.1.0.2"]}]}, MERGE),
        ("type fixed", "PATCH", "/s1", {"addressType": "IPv6"}, MERGE),
        ("list", "GET", "?labelSelector=kubernetes.io/service-name%3Du1", None, _J),
        ("delete", "DELETE", "/s1", None, _J),
    ),
    *_steps(
        "event", EVENTS,
        ("create", "POST", "", {"metadata": {"name": "e.1"}, "involvedObject": {"kind": "Service", "namespace": "default", "name": "u1", "uid": "x"}, "reason": "R", "message": "m", "type": "Normal", "source": {"component": "c"}, "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z", "count": 1}, _J),
        ("patch", "PATCH", "/e.1", {"count": 2, "message": "n"}, STRATEGIC),
        ("select", "GET", "?fieldSelector=involvedObject.name%3Du1,involvedObject.kind%3DService,type!%3DWarning", None, _J),
        ("select none", "GET", "?fieldSelector=reason%3Dfoo", None, _J),
        ("delete", "DELETE", "/e.1", None, _J),
    ),
    *_steps(
        "namespace", "/api/v1/namespaces",
        ("create", "POST", "", {"metadata": {"name": "team"}}, _J),
        ("bad name", "POST", "", {"metadata": {"name": "Team"}}, _J),
        ("exists", "POST", "", {"metadata": {"name": "team"}}, _J),
        ("content of none", "POST", "/nosuch/services", service("x", port(80)), _J),
        ("secret", "POST", "/team/secrets", {"metadata": {"name": "s"}, "stringData": {"a": "b"}}, _J),
        ("secret type", "PATCH", "/team/secrets/s", {"type": "foo"}, MERGE),
        ("config map", "POST", "/team/configmaps", {"metadata": {"name": "c"}, "data": {"a": ""}}, _J),
        ("config map wrong", "POST", "/team/configmaps", {"metadata": {"name": "d"}, "data": {"a": 1}}, _J),
        ("account", "POST", "/team/serviceaccounts", {"metadata": {"name": "bot"}}, _J),
        ("short token", "POST", "/team/serviceaccounts/bot/token", {"spec": {"expirationSeconds": 10}}, _J),
        ("token of none", "POST", "/team/serviceaccounts/nosuch/token", {"spec": {}}, _J),
    ),
    *_steps(
        "path", "",
        ("no resource", "GET", "/api/v1/nosuch", None, _J),
        ("no group", "GET", "/apis/nosuch.example.com/v1", None, _J),
        ("no version", "GET", "/apis/apps/v9/deployments", None, _J),
        ("no path", "GET", "/foo", None, _J),
        ("method", "PUT", "/api/v1/nodes", {}, _J),
        ("review", "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": {"resourceAttributes": {"verb": "get", "resource": "nodes"}}}, _J),
        ("review empty", "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {"spec": {}}, _J),
    ),
]  # fmt: skip

_APPLIED = service("a1", port(80, name="a"), kind="LoadBalancer")
_A = "?fieldManager=one"
_B = "?fieldManager=two"
APPLIES = _steps(
    "apply", SVC,
    ("create", "PATCH", f"/a1{_A}", _APPLIED, APPLY),
    ("again", "PATCH", f"/a1{_A}", _APPLIED, APPLY),
    ("other value", "PATCH", f"/a1{_B}", service("a1", port(80, name="a", targetPort=8080), kind="LoadBalancer"), APPLY),
    ("conflict", "PATCH", f"/a1{_B}", service("a1", port(80, name="x"), kind="NodePort"), APPLY),
    ("forced", "PATCH", f"/a1{_B}&force=true", service("a1", port(80, name="x"), kind="NodePort"), APPLY),
    ("one again", "PATCH", f"/a1{_A}", _APPLIED, APPLY),
    ("one less", "PATCH", f"/a1{_A}", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a1"}}, APPLY),
    ("two more", "PATCH", f"/a1{_B}", {**service("a1", port(80, name="x"), port(443, name="y"), kind="NodePort"), "metadata": {"name": "a1", "labels": {"l": "1", "m": "2"}}}, APPLY),
    ("two less", "PATCH", f"/a1{_B}", {**service("a1", port(443, name="y"), kind="NodePort"), "metadata": {"name": "a1", "labels": {"l": "1"}}}, APPLY),
    ("update", "PATCH", "/a1?fieldManager=three", {"metadata": {"labels": {"l": "3"}, "annotations": {"n": "4"}}}, MERGE),
    ("conflict with update", "PATCH", f"/a1{_B}", {**service("a1", port(443, name="y"), kind="NodePort"), "metadata": {"name": "a1", "labels": {"l": "1"}}}, APPLY),
    ("status", "PATCH", f"/a1/status{_A}", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a1"}, "status": {"conditions": [{"type": "C", "status": "True", "reason": "R", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}}, APPLY),
    ("no manager", "PATCH", "/a1", _APPLIED, APPLY),
    ("managed fields", "PATCH", f"/a1{_A}", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a1", "managedFields": [{"manager": "x"}]}}, APPLY),
    ("unknown field", "PATCH", f"/a1{_A}", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a1"}, "spec": {"foo": 1}}, APPLY),
    ("finalizers", "PATCH", f"/a1{_A}", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a1", "finalizers": ["example.com/f"]}}, APPLY),
    ("finalizers gone", "PATCH", f"/a1{_A}", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a1"}}, APPLY),
    ("delete", "DELETE", "/a1", None, _J),
)  # fmt: skip

#: Read at the end from where the conversation began: (name, path).
WATCHES = [("services", SVC), ("nodes", NODES), ("leases", LEASES), ("slices", SLICES)]

STEPS = [*DEFAULTS, *INVALID, *UPDATES, *NODE, *OTHERS, *APPLIES]
