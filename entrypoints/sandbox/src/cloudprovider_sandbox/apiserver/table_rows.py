"""The columns and cells of each kind's table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
#: (column, priority); priority 1 shows only with ``-o wide``.
Columns = tuple[tuple[str, int], ...]
Since = Callable[[str | None], str]
Row = Callable[[Json, Since], list[Any]]

NONE = "<none>"


def _plain(*names: str, wide: tuple[str, ...] = ()) -> Columns:
    return (*((name, 0) for name in names), *((name, 1) for name in wide))


def _created(obj: Json, since: Since) -> str:
    return since(obj["metadata"].get("creationTimestamp"))


def generic_row(obj: Json, since: Since) -> list[Any]:
    """Name and age."""
    return [obj["metadata"]["name"], _created(obj, since)]


def _labels(labels: Json | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


def _node(obj: Json, since: Since) -> list[Any]:
    meta, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    info = status.get("nodeInfo") or {}
    return [
        meta["name"],
        _node_status(spec, status),
        _node_roles(meta.get("labels") or {}),
        _created(obj, since),
        info.get("kubeletVersion", ""),
        _node_address(status, "InternalIP"),
        _node_address(status, "ExternalIP"),
        info.get("osImage") or "<unknown>",
        info.get("kernelVersion") or "<unknown>",
        info.get("containerRuntimeVersion") or "<unknown>",
    ]


def _node_status(spec: Json, status: Json) -> str:
    words = []
    for condition in status.get("conditions") or []:
        if condition.get("type") == "Ready":
            words = ["Ready" if condition.get("status") == "True" else "NotReady"]
    words = words or ["Unknown"]
    if spec.get("unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def _node_roles(labels: Json) -> str:
    roles = set()
    for key, value in labels.items():
        if key.startswith("node-role.kubernetes.io/"):
            roles.add(key.partition("/")[2])
        elif key == "kubernetes.io/role" and value:
            roles.add(value)
    return ",".join(sorted(filter(None, roles))) or NONE


def _node_address(status: Json, kind: str) -> str:
    for address in status.get("addresses") or []:
        if address.get("type") == kind:
            return str(address.get("address"))
    return NONE


def _service(obj: Json, since: Since) -> list[Any]:
    spec = obj["spec"]
    return [
        obj["metadata"]["name"],
        spec.get("type", ""),
        ",".join((spec.get("clusterIPs") or [])[:1]) or spec.get("clusterIP") or NONE,
        _external_ip(obj),
        _ports(spec.get("ports") or []),
        _created(obj, since),
        _labels(spec.get("selector")),
    ]


def _external_ip(obj: Json) -> str:
    spec = obj["spec"]
    external = list(spec.get("externalIPs") or [])
    kind = spec.get("type")
    if kind == "ExternalName":
        return str(spec.get("externalName", ""))
    if kind == "LoadBalancer":
        ingress = (obj.get("status") or {}).get("loadBalancer", {}).get("ingress") or []
        balancers = list(dict.fromkeys(i.get("ip") or i.get("hostname") for i in ingress))
        return ",".join([*balancers, *external]) or "<pending>"
    return ",".join(external) or NONE


def _ports(ports: list[Json]) -> str:
    texts = []
    for port in ports:
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        texts.append(f"{port['port']}{node}/{port.get('protocol', 'TCP')}")
    return ",".join(texts) or NONE


def _namespace(obj: Json, since: Since) -> list[Any]:
    return [obj["metadata"]["name"], obj.get("status", {}).get("phase", ""), _created(obj, since)]


def _event(obj: Json, since: Since) -> list[Any]:
    subject = obj.get("involvedObject") or {}
    first = obj.get("firstTimestamp") or obj.get("eventTime")
    series = obj.get("series") or {}
    last = series.get("lastObservedTime") or obj.get("lastTimestamp") or first
    count = series.get("count") or obj.get("count") or 1
    source = obj.get("source") or {}
    where = [source.get("component") or obj.get("reportingComponent", ""), source.get("host", "")]
    return [
        since(last),
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{str(subject.get('kind', '')).lower()}/{subject.get('name', '')}",
        str(obj.get("message", "")).strip(),
        subject.get("fieldPath", ""),
        ", ".join(filter(None, where)),
        since(first),
        count,
        obj["metadata"]["name"],
    ]


def _lease(obj: Json, since: Since) -> list[Any]:
    holder = (obj.get("spec") or {}).get("holderIdentity", "")
    return [obj["metadata"]["name"], holder, _created(obj, since)]


def _endpoint_slice(obj: Json, since: Since) -> list[Any]:
    ports = [str(port.get("port", "*")) for port in obj.get("ports") or []]
    addresses = [
        a for endpoint in obj.get("endpoints") or [] for a in endpoint.get("addresses") or []
    ]
    return [
        obj["metadata"]["name"],
        obj.get("addressType", ""),
        ",".join(ports) or "<unset>",
        _first(addresses) or "<unset>",
        _created(obj, since),
    ]


def _first(values: list[str]) -> str:
    more = f" + {len(values) - 3} more..." if len(values) > 3 else ""
    return ",".join(values[:3]) + more


def _endpoints(obj: Json, since: Since) -> list[Any]:
    pairs = [
        f"{address.get('ip', '')}:{port.get('port', '')}"
        for subset in obj.get("subsets") or []
        for address in subset.get("addresses") or []
        for port in subset.get("ports") or []
    ]
    return [obj["metadata"]["name"], _first(pairs) or NONE, _created(obj, since)]


def _pod(obj: Json, since: Since) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    states = status.get("containerStatuses") or []
    ready = sum(1 for state in states if state.get("ready"))
    phase = "Terminating" if obj["metadata"].get("deletionTimestamp") else status.get("phase", "")
    return [
        obj["metadata"]["name"],
        f"{ready}/{len(spec.get('containers') or [])}",
        status.get("reason") or phase,
        str(sum(state.get("restartCount", 0) for state in states)),
        _created(obj, since),
        status.get("podIP") or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        NONE,
    ]


def _containers(obj: Json) -> list[Any]:
    spec = obj.get("spec") or {}
    containers = ((spec.get("template") or {}).get("spec") or {}).get("containers") or []
    return [
        ",".join(container.get("name", "") for container in containers),
        ",".join(container.get("image", "") for container in containers),
        _labels((spec.get("selector") or {}).get("matchLabels")),
    ]


def _deployment(obj: Json, since: Since) -> list[Any]:
    status = obj.get("status") or {}
    return [
        obj["metadata"]["name"],
        f"{status.get('readyReplicas', 0)}/{obj['spec'].get('replicas', 1)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        _created(obj, since),
        *_containers(obj),
    ]


def _replica_set(obj: Json, since: Since) -> list[Any]:
    status = obj.get("status") or {}
    return [
        obj["metadata"]["name"],
        obj["spec"].get("replicas", 1),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        _created(obj, since),
        *_containers(obj),
    ]


def _daemon_set(obj: Json, since: Since) -> list[Any]:
    status = obj.get("status") or {}
    names = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    )
    template = (obj["spec"].get("template") or {}).get("spec") or {}
    return [
        obj["metadata"]["name"],
        *(status.get(name, 0) for name in names),
        _labels(template.get("nodeSelector")),
        _created(obj, since),
        *_containers(obj),
    ]


def _secret(obj: Json, since: Since) -> list[Any]:
    size = len(obj.get("data") or {})
    return [obj["metadata"]["name"], obj.get("type", ""), size, _created(obj, since)]


def _config_map(obj: Json, since: Since) -> list[Any]:
    size = len(obj.get("data") or {}) + len(obj.get("binaryData") or {})
    return [obj["metadata"]["name"], size, _created(obj, since)]


def _service_account(obj: Json, since: Since) -> list[Any]:
    return [obj["metadata"]["name"], str(len(obj.get("secrets") or [])), _created(obj, since)]


def _role(obj: Json, _since: Since) -> list[Any]:
    return [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp", "")]


def _binding(obj: Json, since: Since) -> list[Any]:
    ref = obj.get("roleRef") or {}
    names: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in obj.get("subjects") or []:
        prefix = f"{subject['namespace']}/" if subject.get("namespace") else ""
        names.setdefault(subject.get("kind", ""), []).append(prefix + subject.get("name", ""))
    return [
        obj["metadata"]["name"],
        f"{ref.get('kind', '')}/{ref.get('name', '')}",
        _created(obj, since),
        *(", ".join(names[kind]) for kind in ("User", "Group", "ServiceAccount")),
    ]


_WORKLOAD_WIDE = ("Containers", "Images", "Selector")
ROWS: dict[str, tuple[Columns, Row]] = {
    "nodes": (
        _plain("Name", "Status", "Roles", "Age", "Version",
               wide=("Internal-IP", "External-IP", "OS-Image", "Kernel-Version",
                     "Container-Runtime")),
        _node,
    ),
    "services": (
        _plain("Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", wide=("Selector",)),
        _service,
    ),
    "namespaces": (_plain("Name", "Status", "Age"), _namespace),
    "events": (
        (("Last Seen", 0), ("Type", 0), ("Reason", 0), ("Object", 0), ("Subobject", 1),
         ("Source", 1), ("Message", 0), ("First Seen", 1), ("Count", 1), ("Name", 1)),
        lambda obj, since: _reordered(_event(obj, since)),
    ),
    "leases.coordination.k8s.io": (_plain("Name", "Holder", "Age"), _lease),
    "endpointslices.discovery.k8s.io": (
        _plain("Name", "AddressType", "Ports", "Endpoints", "Age"), _endpoint_slice,
    ),
    "endpoints": (_plain("Name", "Endpoints", "Age"), _endpoints),
    "pods": (
        _plain("Name", "Ready", "Status", "Restarts", "Age",
               wide=("IP", "Node", "Nominated Node", "Readiness Gates")),
        _pod,
    ),
    "deployments.apps": (
        _plain("Name", "Ready", "Up-to-date", "Available", "Age", wide=_WORKLOAD_WIDE), _deployment,
    ),
    "replicasets.apps": (
        _plain("Name", "Desired", "Current", "Ready", "Age", wide=_WORKLOAD_WIDE), _replica_set,
    ),
    "daemonsets.apps": (
        _plain("Name", "Desired", "Current", "Ready", "Up-to-date", "Available", "Node Selector",
               "Age", wide=_WORKLOAD_WIDE),
        _daemon_set,
    ),
    "secrets": (_plain("Name", "Type", "Data", "Age"), _secret),
    "configmaps": (_plain("Name", "Data", "Age"), _config_map),
    "serviceaccounts": (_plain("Name", "Secrets", "Age"), _service_account),
    "roles.rbac.authorization.k8s.io": (_plain("Name", "Created At"), _role),
    "clusterroles.rbac.authorization.k8s.io": (_plain("Name", "Created At"), _role),
    "rolebindings.rbac.authorization.k8s.io": (
        _plain("Name", "Role", "Age", wide=("Users", "Groups", "ServiceAccounts")), _binding,
    ),
    "clusterrolebindings.rbac.authorization.k8s.io": (
        _plain("Name", "Role", "Age", wide=("Users", "Groups", "ServiceAccounts")), _binding,
    ),
}  # fmt: skip


def _reordered(cells: list[Any]) -> list[Any]:
    seen, kind, reason, subject, message, path, source, first, count, name = cells
    return [seen, kind, reason, subject, path, source, message, first, count, name]
