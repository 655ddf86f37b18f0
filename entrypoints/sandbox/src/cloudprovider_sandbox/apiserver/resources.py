"""The kinds that the server knows: names, scopes, subresources and how each may be written."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Literal

from cloudprovider_sandbox.apiserver import schemas
from cloudprovider_sandbox.apiserver.schema import Schema

NameRule = Literal["subdomain", "label", "label1035", "segment"]
STORED_VERBS = (
    "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Resource:
    """One kind of object.

    ``selectable`` maps a field selector's name to the path of its value; ``metadata.name`` and
    ``metadata.namespace`` always work.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    schema: Schema = schemas.GENERIC
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    selectable: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    name_rule: NameRule = "subdomain"
    create_on_update: bool = False  #: PUT of an absent object creates it
    unconditional_update: bool = True  #: PUT without resourceVersion is accepted
    has_generation: bool = False
    returns_deleted: bool = False  #: DELETE answers with the object, not a Status
    without: tuple[str, ...] = ()  #: verbs that it does not have, of the usual ones
    stored: bool = True  #: False: a review, answered and forgotten
    stored_as: str = ""  #: plural of the core kind that this one is a read-only view of
    singular: str = ""

    @property
    def group_version(self) -> str:
        """``apps/v1``, or ``v1`` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """``leases.coordination.k8s.io``, or ``services`` for the core group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def verbs(self) -> tuple[str, ...]:
        """What may be done with it, as discovery says."""
        if self.stored_as:
            return ("get", "list", "watch")
        if not self.stored:
            return ("create",)
        return tuple(verb for verb in STORED_VERBS if verb not in self.without)

    @property
    def storage(self) -> str:
        """The name under which its objects are kept."""
        return self.stored_as or self.qualified


def _r(group_version: str, plural: str, kind: str, **kwargs: object) -> Resource:
    group, _, version = group_version.rpartition("/")
    return Resource(group, version, plural, kind, singular=kind.lower(), **kwargs)  # type: ignore[arg-type]


def _path(*names: str) -> dict[str, tuple[str, ...]]:
    return {name: tuple(name.split(".")) for name in names}


_WORKLOAD = {
    "schema": schemas.WORKLOAD,
    "subresources": ("status",),
    "categories": ("all",),
    "has_generation": True,
}
_SCALED = _WORKLOAD | {"subresources": ("status", "scale")}
_REVIEW = {"stored": False, "namespaced": False}
_RBAC = "rbac.authorization.k8s.io/v1"
_AUTHZ = "authorization.k8s.io/v1"
_AUTHN = "authentication.k8s.io/v1"
_EVENT_FIELDS = _path(
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "type",
) | {"source": ("source", "component")}

NODES = _r(
    "v1", "nodes", "Node", namespaced=False, schema=schemas.NODE, short_names=("no",),
    subresources=("status",), selectable=_path("spec.unschedulable"),
)  # fmt: skip
SERVICES = _r(
    "v1", "services", "Service", schema=schemas.SERVICE, short_names=("svc",),
    categories=("all",), subresources=("status",), name_rule="label1035", returns_deleted=True,
    create_on_update=True, selectable=_path("spec.clusterIP", "spec.type"),
)  # fmt: skip
NAMESPACES = _r(
    "v1", "namespaces", "Namespace", namespaced=False, schema=schemas.NAMESPACE,
    short_names=("ns",), subresources=("status", "finalize"), name_rule="label",
    returns_deleted=True, selectable=_path("status.phase"), without=("deletecollection",),
)  # fmt: skip
EVENTS = _r(
    "v1", "events", "Event", schema=schemas.EVENT, short_names=("ev",), create_on_update=True,
    selectable=_EVENT_FIELDS,
)  # fmt: skip
SERVICE_ACCOUNTS = _r(
    "v1", "serviceaccounts", "ServiceAccount", schema=schemas.SERVICE_ACCOUNT,
    short_names=("sa",), subresources=("token",), returns_deleted=True,
)  # fmt: skip
LEASES = _r(
    "coordination.k8s.io/v1", "leases", "Lease", schema=schemas.LEASE, create_on_update=True,
    unconditional_update=False,
)  # fmt: skip
ENDPOINT_SLICES = _r(
    "discovery.k8s.io/v1", "endpointslices", "EndpointSlice", schema=schemas.ENDPOINT_SLICE,
    has_generation=True,
)  # fmt: skip
PODS = _r(
    "v1", "pods", "Pod", schema=schemas.POD, short_names=("po",), categories=("all",),
    subresources=("status",), returns_deleted=True,
    selectable=_path("spec.nodeName", "spec.restartPolicy", "spec.schedulerName",
                     "spec.serviceAccountName", "spec.hostNetwork", "status.phase",
                     "status.podIP", "status.nominatedNodeName"),
)  # fmt: skip

#: Never stored; names the kind of ``serviceaccounts/token`` in refusals.
TOKEN_REQUESTS = Resource("authentication.k8s.io", "v1", "tokenrequests", "TokenRequest")

RESOURCES: tuple[Resource, ...] = (
    NODES,
    SERVICES,
    NAMESPACES,
    EVENTS,
    SERVICE_ACCOUNTS,
    PODS,
    _r("v1", "endpoints", "Endpoints", short_names=("ep",), create_on_update=True),
    _r("v1", "configmaps", "ConfigMap", schema=schemas.CONFIG_MAP, short_names=("cm",)),
    _r("v1", "secrets", "Secret", schema=schemas.SECRET, selectable=_path("type")),
    _r("apps/v1", "deployments", "Deployment", short_names=("deploy",), **_SCALED),
    _r("apps/v1", "replicasets", "ReplicaSet", short_names=("rs",), **_SCALED),
    _r("apps/v1", "daemonsets", "DaemonSet", short_names=("ds",), **_WORKLOAD),
    _r("apps/v1", "statefulsets", "StatefulSet", short_names=("sts",), **_SCALED),
    LEASES,
    ENDPOINT_SLICES,
    _r("events.k8s.io/v1", "events", "Event", short_names=("ev",), stored_as="events",
       selectable=_path("reason", "type")),
    _r("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", short_names=("pdb",),
       subresources=("status",), has_generation=True),
    _r("networking.k8s.io/v1", "ingresses", "Ingress", short_names=("ing",),
       subresources=("status",), has_generation=True),
    _r(_RBAC, "roles", "Role", schema=schemas.ROLE, name_rule="segment"),
    _r(_RBAC, "rolebindings", "RoleBinding", schema=schemas.ROLE_BINDING, name_rule="segment"),
    _r(_RBAC, "clusterroles", "ClusterRole", schema=schemas.ROLE, namespaced=False,
       name_rule="segment"),
    _r(_RBAC, "clusterrolebindings", "ClusterRoleBinding", schema=schemas.ROLE_BINDING,
       namespaced=False, name_rule="segment"),
    _r(_AUTHZ, "selfsubjectaccessreviews", "SelfSubjectAccessReview", **_REVIEW),
    _r(_AUTHZ, "selfsubjectrulesreviews", "SelfSubjectRulesReview", **_REVIEW),
    _r(_AUTHZ, "subjectaccessreviews", "SubjectAccessReview", **_REVIEW),
    _r(_AUTHZ, "localsubjectaccessreviews", "LocalSubjectAccessReview", stored=False),
    _r(_AUTHN, "tokenreviews", "TokenReview", **_REVIEW),
    _r(_AUTHN, "selfsubjectreviews", "SelfSubjectReview", **_REVIEW),
)  # fmt: skip


class Catalogue:
    """The resources of a server, by path and by kind."""

    def __init__(self, resources: Iterable[Resource] = RESOURCES) -> None:
        self.resources = tuple(resources)
        self._by_path = {(r.group, r.version, r.plural): r for r in self.resources}
        self._by_storage = {r.storage: r for r in reversed(self.resources) if not r.stored_as}

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource at ``/apis/group/version/plural``, or None."""
        return self._by_path.get((group, version, plural))

    def stored(self, storage: str) -> Resource:
        """The resource whose objects are kept under ``storage``."""
        return self._by_storage[storage]

    def namespaced(self) -> list[Resource]:
        """Every stored, namespaced resource."""
        return [r for r in self.resources if r.namespaced and r.stored and not r.stored_as]

    def group_versions(self) -> list[tuple[str, str]]:
        """Each (group, version) once, the core group first."""
        return list(dict.fromkeys(sorted((r.group, r.version) for r in self.resources)))

    def of(self, group: str, version: str) -> list[Resource]:
        """The resources of one group and version."""
        return [r for r in self.resources if (r.group, r.version) == (group, version)]
