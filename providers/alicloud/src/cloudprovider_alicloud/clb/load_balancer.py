"""Services of type LoadBalancer on classic load balancers (CLB): the contract's side.

Source: ``spec/alicloud.md`` 4; budgets in ``design.md`` 10.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence

from cloudprovider.concurrency import Concurrency, current
from cloudprovider.errors import CloudProviderError, ImplementedElsewhere
from cloudprovider.interface import LoadBalancer, Survey
from cloudprovider.models import LoadBalancerIngress, LoadBalancerStatus, Node, Service
from cloudprovider.toolkit.annotations import Values
from cloudprovider.toolkit.ownership import Owner
from cloudprovider.toolkit.service import default_load_balancer_name
from cloudprovider_alicloud import annotations as keys
from cloudprovider_alicloud.api.slb import SlbApi
from cloudprovider_alicloud.api.vpc import VpcApi
from cloudprovider_alicloud.clb import names
from cloudprovider_alicloud.clb.backends import NodeChange, unusable_nodes
from cloudprovider_alicloud.clb.creation import Creator, Recorder
from cloudprovider_alicloud.clb.desired import desired_groups, desired_state
from cloudprovider_alicloud.clb.diff import Change
from cloudprovider_alicloud.clb.inventory import Inventory
from cloudprovider_alicloud.clb.locate import Subject
from cloudprovider_alicloud.clb.memory import Memory, Remembered
from cloudprovider_alicloud.clb.reconcile import Reconciler, Settings
from cloudprovider_alicloud.clb.survey import Surveyor
from cloudprovider_alicloud.config import AlicloudConfig

_log = logging.getLogger(__name__)


def record_nothing(service: Service, labels: Mapping[str, str | None]) -> None:
    """The default recorder: tags alone must find the load balancer again."""


class ClbLoadBalancer(LoadBalancer):
    """The contract's load balancers, as CLBs.

    Args:
        api: SLB actions.
        vpc: VPC actions; asked only when a vSwitch is full or an elastic IP is to be shown.
        config: Cluster id, VPC, vSwitches, resource group.
        settings: Batch size, parallelism, ages.
        recorder: Writes labels on a Service (None removes one). Called once in the life of a load
            balancer, with its id, as soon as that is known.

    """

    def __init__(
        self,
        api: SlbApi,
        vpc: VpcApi,
        config: AlicloudConfig,
        *,
        settings: Settings | None = None,
        recorder: Recorder = record_nothing,
        concurrency: Concurrency | None = None,
    ) -> None:
        settings = settings or Settings()
        concurrency = concurrency or current()
        self._vpc = vpc
        self._config = config
        self._memory = Memory(concurrency=concurrency)
        self._release: Callable[[Service], None] = lambda _service: None
        self._node_change: NodeChange | None = None
        inventory = Inventory(
            api,
            cluster_id=config.cluster_id,
            max_age=settings.shared_seconds,
            concurrency=concurrency,
        )
        self._creator = Creator(
            api, vpc, inventory, config=config, recorder=recorder, concurrency=concurrency
        )
        self._reconciler = Reconciler(
            api, inventory, self._creator, settings, concurrency=concurrency
        )
        self._surveyor = Surveyor(inventory, config, self._peek)

    def set_recorder(self, recorder: Recorder) -> None:
        """Use ``recorder`` from now on: the Kubernetes client comes with initialisation."""
        self._creator.recorder = recorder

    def set_releaser(self, release: Callable[[Service], None]) -> None:
        """Call ``release`` once nothing is left of a Service: it ends the Go manager's claim."""
        self._release = release

    # -- the contract ----------------------------------------------------------------------

    def get_load_balancer_name(self, cluster_name: str, service: Service) -> str:  # noqa: ARG002
        values = keys.ANNOTATIONS.parse(service.metadata.annotations)
        return values[keys.NAME] or default_load_balancer_name(service)

    def get_load_balancer(
        self,
        cluster_name: str,  # noqa: ARG002
        service: Service,
    ) -> LoadBalancerStatus | None:
        with self._memory.of(service.metadata.uid) as remembered:
            subject = self._subject(service, remembered)
            found = self._reconciler.find_all(subject)
            return self._status(subject.values, found[0].id, found[0].address) if found else None

    def ensure_load_balancer(
        self,
        cluster_name: str,  # noqa: ARG002
        service: Service,
        nodes: Sequence[Node],
    ) -> LoadBalancerStatus:
        with self._memory.of(service.metadata.uid) as remembered:
            subject = self._subject(service, remembered)
            _leave_to_others(subject)
            self._note(subject, nodes)
            desired = desired_state(service, nodes, subject.values, self._config)
            balancer_id, address = self._reconciler.ensure(subject, desired)
            self._creator.record(service, remembered, balancer_id)
            return self._status(subject.values, balancer_id, address)

    def update_load_balancer(
        self,
        cluster_name: str,  # noqa: ARG002
        service: Service,
        nodes: Sequence[Node],
    ) -> None:
        with self._memory.of(service.metadata.uid) as remembered:
            subject = self._subject(service, remembered)
            _leave_to_others(subject)
            groups = desired_groups(service, nodes, subject.values, self._config)
            self._reconciler.update(subject, groups)

    def ensure_load_balancer_deleted(
        self,
        cluster_name: str,  # noqa: ARG002
        service: Service,
    ) -> None:
        uid = service.metadata.uid
        with self._memory.of(uid) as remembered:
            self._reconciler.delete(self._subject(service, remembered))
            self._release(service)
            if service.metadata.deletion_timestamp is not None:
                self._memory.forget(uid)
                return
            # The Service lives on: upstream takes its label away, and so do we.
            if names.LABEL_ID in (service.metadata.labels or {}):
                self._creator.recorder(service, {names.LABEL_ID: None})
            self._memory.forget(uid, dead_id=remembered.dead_id)

    def backend_nodes_changed(
        self, service: Service, old: Sequence[Node], new: Sequence[Node]
    ) -> bool:
        values = keys.ANNOTATIONS.parse(service.metadata.annotations, only=keys.BACKEND_FIELDS)
        if values.problems:
            return super().backend_nodes_changed(service, old, new)
        change = self._node_change
        if change is None or change.old is not old or change.new is not new:
            change = NodeChange.of(old, new)
            if isinstance(old, tuple) and isinstance(new, tuple):  # asked for every Service alike
                self._node_change = change
        return change.changes_servers(values)

    def survey(self, cluster_name: str, services: Sequence[Service]) -> Survey:  # noqa: ARG002
        return self._surveyor.look(services)

    def plan(self, service: Service, nodes: Sequence[Node]) -> Change:
        """The dry run: what :meth:`ensure_load_balancer` would do now. Reads only."""
        with self._memory.of(service.metadata.uid) as remembered:
            subject = self._subject(service, dataclasses.replace(remembered, listed=False))
            desired = desired_state(service, nodes, subject.values, self._config)
            return self._reconciler.plan(subject, desired)

    # -- small things ----------------------------------------------------------------------

    def _subject(self, service: Service, remembered: Remembered) -> Subject:
        return Subject(
            service=service,
            owner=Owner.of(self._config.cluster_id, service),
            values=keys.ANNOTATIONS.parse(service.metadata.annotations),
            remembered=remembered,
        )

    def _peek(self, service: Service) -> Subject:
        return self._subject(service, self._memory.peek(service.metadata.uid))

    def _note(self, subject: Subject, nodes: Sequence[Node]) -> None:
        """Say once what has no effect."""
        remembered, key = subject.remembered, subject.service.key
        without_effect = set(subject.values.unsupported)
        if subject.service.spec.load_balancer_ip:
            without_effect.add("spec.loadBalancerIP")
        without_effect -= remembered.noted
        unusable = set(unusable_nodes(nodes, subject.values)) - remembered.noted
        remembered.noted |= without_effect | unusable
        if without_effect:
            _log.warning("%s: not supported yet: %s", key, ", ".join(sorted(without_effect)))
        if unusable:
            shown = ", ".join(sorted(unusable)[:10])
            _log.warning("%s: %d nodes have no usable providerID: %s", key, len(unusable), shown)

    def _status(self, values: Values, balancer_id: str, address: str) -> LoadBalancerStatus:
        """What ``status.loadBalancer`` shows (``spec/alicloud.md`` 4.7)."""
        hostname = values[keys.HOSTNAME]
        if hostname:
            return LoadBalancerStatus(ingress=(LoadBalancerIngress(hostname=hostname),))
        addresses = [address]
        if values[keys.EXTERNAL_IP_TYPE]:
            addresses = self._elastic_addresses(balancer_id) or addresses
        return LoadBalancerStatus(ingress=tuple(LoadBalancerIngress(ip=ip) for ip in addresses))

    def _elastic_addresses(self, balancer_id: str) -> list[str]:
        try:
            found = self._vpc.describe_eip_addresses(
                instance_id=balancer_id, instance_type="SlbInstance"
            )
        except CloudProviderError as error:
            _log.warning("get eip error, set external ip to slb ip: %s", error)
            return []
        return [eip.ip_address for eip in found]


def _leave_to_others(subject: Subject) -> None:
    if subject.is_others:
        raise ImplementedElsewhere
