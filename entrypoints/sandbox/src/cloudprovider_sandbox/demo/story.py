"""The story: a self-built cluster gets its nodes, exposes a Service, changes, and cleans up.

What the first user document does by hand (``spec/user-documents.md`` D1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cloudprovider.testing.emulation import EmulatedInstance, InventoryItem
from cloudprovider_sandbox.demo import checks
from cloudprovider_sandbox.demo.balancers import balancers_of
from cloudprovider_sandbox.demo.steps import Costs, Step
from cloudprovider_sandbox.kube import Kube, KubeError, Table
from cloudprovider_sandbox.sandbox import Sandbox

NAME = "nginx-example"
NAMESPACE = "default"
OWNER = f"{NAMESPACE}/{NAME}"
NODES = "/api/v1/nodes"
SERVICES = f"/api/v1/namespaces/{NAMESPACE}/services"
SERVICE = f"{SERVICES}/{NAME}"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
DEPLOYMENT = f"{DEPLOYMENTS}/{NAME}"


class Story:
    """The steps, on one sandbox.

    Args:
        sandbox: Its cluster started, without nodes and manager.
        before: The cloud's inventory before any node was launched.
        nodes: How many nodes join at first.
        show: Prints a table: what is typed after ``kubectl``, and what it answers.
        cloud: Prints what is in the cloud for the Service.

    """

    def __init__(
        self,
        sandbox: Sandbox,
        before: Sequence[InventoryItem],
        *,
        nodes: int,
        show: Callable[[str, Table], None],
        cloud: Callable[[], None],
    ) -> None:
        self._sandbox = sandbox
        self._kube: Kube = sandbox.kube("cloud-sandbox-demo")
        self._before = before
        self._count = nodes
        self._show = show
        self._cloud = cloud
        self._leaving = ""
        self._old_leader = ""

    def steps(self) -> list[Step]:
        """All steps, in order."""
        return [
            self._join(),
            self._initialise(),
            self._expose(),
            self._change_ports(),
            self._label_node(),
            self._add_node(),
            self._remove_node(),
            self._restart(),
            self._delete(),
        ]

    # -- steps -----------------------------------------------------------------------------

    def _join(self) -> Step:
        def act() -> None:
            for _ in range(self._count):
                self._sandbox.add_node()

        return Step(
            title=f"{self._count} nodes join, tainted until they are initialised",
            commands=["kubelet --cloud-provider=external …"],
            act=act,
            check=lambda: checks.tainted(self._kube.items(NODES), self._instances()),
            show=self._show_nodes,
        )

    def _initialise(self) -> Step:
        def act() -> None:
            self._sandbox.start_manager()

        return Step(
            title="the manager initialises them; their Pods get routes",
            commands=[
                "cloud-controller-manager --cloud-provider=… --cloud-config=… --kubeconfig=…"
            ],
            act=act,
            check=self._nodes_problems,
            show=self._show_nodes,
        )

    def _expose(self) -> Step:
        def act() -> None:
            self._kube.create(DEPLOYMENTS, deployment_body())
            self._kube.create(SERVICES, service_body())

        return Step(
            title="a Deployment is exposed: the address appears",
            commands=[
                f"kubectl create deployment {NAME} --image=nginx --replicas=2",
                f"kubectl expose deployment {NAME} --type=LoadBalancer --port=80",
            ],
            act=act,
            check=self._service_problems,
            show=self._show_service,
            go=lambda: 8 + math.ceil(len(self._instances()) / 40),
        )

    def _change_ports(self) -> Step:
        ports = [
            {"name": "http", "port": 8080, "protocol": "TCP", "targetPort": 80},
            {"name": "https", "port": 443, "protocol": "TCP", "targetPort": 443},
        ]
        return Step(
            title="ports change: 80 becomes 8080, 443 is new",
            commands=[f"kubectl edit service {NAME}"],
            act=lambda: self._set(SERVICE, {"spec": {"ports": ports}}),
            check=self._service_problems,
            show=self._show_service,
        )

    def _label_node(self) -> Step:
        def act() -> None:
            name = self._instances()[0].node_name
            self._set(f"{NODES}/{name}", {"metadata": {"labels": {"team": "payments"}}})

        return Step(
            title="a node gets a label",
            commands=["kubectl label node … team=payments"],
            act=act,
            check=self._service_problems,
            verify=no_calls,
            quiet=2.0,  # longer than a burst of node changes is collected
            go=lambda: 4,
        )

    def _add_node(self) -> Step:
        def act() -> None:
            self._sandbox.add_node()

        return Step(
            title="a node joins",
            commands=["cloud-sandbox node add"],
            act=act,
            check=self._all_problems,
            show=self._show_nodes_and_backends,
            go=lambda: 13,
        )

    def _remove_node(self) -> Step:
        def act() -> None:
            self._leaving = self._instances()[0].node_name
            self._sandbox.remove_node(self._leaving)

        def check() -> list[str]:
            if self._kube.exists(f"{NODES}/{self._leaving}"):
                return [f"node {self._leaving} is still there, though its instance is gone"]
            return self._all_problems()

        return Step(
            title="a node's instance is terminated: the node leaves",
            commands=["cloud-sandbox node remove …"],
            act=act,
            check=check,
            show=self._show_nodes_and_backends,
            # It is not Ready any more (4), then deleted (5).
            go=lambda: 4 + 5,
        )

    def _restart(self) -> Step:
        def act() -> None:
            self._old_leader = self._sandbox.leader()
            self._sandbox.restart_manager()

        def check() -> list[str]:
            if self._sandbox.leader() in ("", self._old_leader):
                return ["the new manager does not lead yet"]
            return self._all_problems()

        return Step(
            title="the manager is restarted, nothing changed",
            commands=["kubectl -n kube-system rollout restart …"],
            act=act,
            check=check,
            verify=no_writes,
            quiet=3.0,  # a new manager may take a moment from the lease to its first look
            go=lambda: round(5.4 + 1),
        )

    def _delete(self) -> Step:
        def act() -> None:
            self._kube.delete(SERVICE)
            self._kube.delete(DEPLOYMENT)

        return Step(
            title="the Service is deleted: nothing is left",
            commands=[f"kubectl delete service,deployment {NAME}"],
            act=act,
            check=self._gone_problems,
            show=self._cloud,
            go=lambda: 7,
        )

    # -- checks ----------------------------------------------------------------------------

    def _nodes_problems(self) -> list[str]:
        nodes, instances = self._kube.items(NODES), self._instances()
        problems = checks.initialised(nodes, instances)
        if any(item.kind == "route" for item in self._before):  # a cloud that has routes
            problems += checks.routed(nodes, self._sandbox.inventory(), instances)
        return problems

    def _service_problems(self) -> list[str]:
        try:
            service = self._kube.get(SERVICE)
        except KubeError as error:
            return [f"the Service cannot be read: {error}"]
        items = self._sandbox.inventory()
        return [
            *checks.exposed(service, balancers_of(items, OWNER), self._instances()),
            *checks.untouched(self._before, items),
        ]

    def _all_problems(self) -> list[str]:
        return [*self._nodes_problems(), *self._service_problems()]

    def _gone_problems(self) -> list[str]:
        still = ["the Service is still there"] if self._kube.exists(SERVICE) else []
        instances = self._instances()
        now = checks.without_nodes(self._sandbox.inventory(), instances)
        return [*still, *checks.same(checks.without_nodes(self._before, instances), now)]

    # -- helpers ---------------------------------------------------------------------------

    def _instances(self) -> Sequence[EmulatedInstance]:
        return self._sandbox.nodes()

    def _set(self, path: str, body: dict[str, Any]) -> None:
        self._kube.patch(path, body, patch_type="merge")

    def _show_service(self) -> None:
        self._show(f"get service {NAME}", self._kube.table(SERVICE))
        self._cloud()

    def _show_nodes(self) -> None:
        self._show("get nodes -o custom-columns=…", node_columns(self._kube.items(NODES)))

    def _show_nodes_and_backends(self) -> None:
        self._show("get nodes", self._kube.table(NODES))
        self._cloud()


def no_calls(costs: Costs) -> list[str]:
    """A step that must cost no call to the cloud."""
    return [f"{costs.calls} cloud calls where none is needed"] if costs.calls else []


def no_writes(costs: Costs) -> list[str]:
    """A step that must change nothing anywhere."""
    problems = [f"{costs.writes} cloud writes where none is needed"] if costs.writes else []
    if costs.kubernetes_writes:
        problems.append(f"{costs.kubernetes_writes} Kubernetes writes where none is needed")
    return problems


def node_columns(nodes: Sequence[Mapping[str, Any]]) -> Table:
    """What of a node the manager fills in."""
    zone, kind = "topology.kubernetes.io/zone", "node.kubernetes.io/instance-type"
    rows = []
    for node in nodes:
        spec, labels = node["spec"], node["metadata"]["labels"]
        taints = ",".join(taint["key"] for taint in spec.get("taints") or ())
        values = (labels.get(zone), labels.get(kind), spec.get("providerID"), taints)
        rows.append([node["metadata"]["name"], *(value or "<none>" for value in values)])
    return Table(("NAME", "ZONE", "TYPE", "PROVIDER-ID", "TAINTS"), rows)


def deployment_body() -> dict[str, Any]:
    """``kubectl create deployment nginx-example --image=nginx --replicas=2``."""
    labels = {"app": NAME}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "labels": labels},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "nginx", "image": "nginx"}]},
            },
        },
    }


def service_body() -> dict[str, Any]:
    """``kubectl expose deployment nginx-example --type=LoadBalancer --port=80``."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "labels": {"app": NAME}},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": NAME},
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        },
    }
