"""Instances behind nodes: many in one call, found by providerID, else by name or address.

**Absence.** DescribeInstances answers an unknown id by leaving it out (``spec/alicloud.md`` 7.2,
ECS 1); there is no error to rely on. So an id counts as not there only when the same answer shows
another instance that was asked for in the same call: then the credentials, the region and the list
are good. An answer with none of the ids says nothing by itself; they are asked for once more
together with a *witness*, an instance known to exist. If no witness can be had, that is an error
and no absence (``design.md`` 4, R2). A node without an id is never reported absent.

One question about N nodes costs N/100 calls, rounded up; where a whole call finds nothing, N/99 and
up to three more.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from cloudprovider.errors import (
    CloudProviderError,
    InstanceNotFound,
    InvalidConfiguration,
    NotOwned,
)
from cloudprovider.interface import (
    InstanceMetadata,
    InstanceState,
    InstancesV2,
    MetadataOutcome,
    StateOutcome,
)
from cloudprovider.models import Node, NodeAddress
from cloudprovider.toolkit.sharing import chunks
from cloudprovider_alicloud import provider_id
from cloudprovider_alicloud.api.ecs import BATCH, EcsApi, Instance
from cloudprovider_alicloud.config import AlicloudConfig
from cloudprovider_alicloud.lookup import Lookup

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

#: One node's instance, or why there is none.
Outcome = Instance | CloudProviderError

NODEPOOL_TAG = "ack.alibabacloud.com/nodepool-id"
NODEPOOL_LABEL = "node.alibabacloud.com/nodepool-id"
CHARGE_TYPE_LABEL = "node.alibabacloud.com/instance-charge-type"
SPOT_STRATEGY_LABEL = "node.alibabacloud.com/spot-strategy"

_INSTANCE_ID = re.compile(r"i-[a-z0-9]+")


class Instances(InstancesV2):
    """The instances of one region."""

    def __init__(self, ecs: EcsApi, config: AlicloudConfig) -> None:
        self._ecs = ecs
        self._config = config
        self._lookup = Lookup(ecs, config)
        #: An instance seen alive lately; the first choice of a witness.
        self._witness = ""

    def instance_exists(self, node: Node) -> bool:
        return self._one(self.instance_states_many, node).exists

    def instance_shutdown(self, node: Node) -> bool:
        return self._one(self.instance_states_many, node).shutdown

    def instance_metadata(self, node: Node) -> InstanceMetadata:
        return self._one(self.instance_metadata_many, node)

    def instance_metadata_many(self, nodes: Sequence[Node]) -> dict[str, MetadataOutcome]:
        found = self._find(nodes)
        return {
            node.metadata.name: (
                outcome
                if isinstance(outcome := found[node.metadata.name], CloudProviderError)
                else metadata(outcome, node, ipv6=self._config.enabled("IPv6DualStack"))
            )
            for node in nodes
        }

    def instance_states_many(self, nodes: Sequence[Node]) -> dict[str, StateOutcome]:
        return {name: _state(outcome) for name, outcome in self._find(nodes).items()}

    @staticmethod
    def _one(
        ask: Callable[[Sequence[Node]], Mapping[str, _T | CloudProviderError]], node: Node
    ) -> _T:
        outcome = ask([node])[node.metadata.name]
        if isinstance(outcome, CloudProviderError):
            raise outcome
        return outcome

    def _find(self, nodes: Sequence[Node]) -> dict[str, Outcome]:
        """One outcome for each of ``nodes``, by node name."""
        outcomes: dict[str, Outcome] = {}
        ids: dict[str, str] = {}
        unknown: list[Node] = []
        for node in nodes:
            identity = identify(node, self._ecs.region)
            if isinstance(identity, CloudProviderError):
                outcomes[node.metadata.name] = identity
            elif identity:
                ids[node.metadata.name] = identity
            else:
                unknown.append(node)
        by_id = self._by_id(list(dict.fromkeys(ids.values())))
        outcomes.update({name: by_id[instance_id] for name, instance_id in ids.items()})
        outcomes.update(self._lookup.find(unknown) if unknown else {})
        return outcomes

    def _by_id(self, instance_ids: Sequence[str]) -> dict[str, Outcome]:
        outcomes: dict[str, Outcome] = {}
        doubtful: Sequence[str] = ()
        for start in range(0, len(instance_ids), BATCH):
            chunk = instance_ids[start : start + BATCH]
            found = self._describe(chunk)
            if isinstance(found, CloudProviderError):
                outcomes.update(dict.fromkeys(chunk, found))
            elif found:
                outcomes.update(_believe(chunk, found))
            else:
                # Instances seldom go alone: the rest is asked about with a witness at once.
                doubtful = instance_ids[start:]
                break
        # One instance of the batch besides must fit in: the witness.
        for chunk in chunks(doubtful, BATCH - 1):
            outcomes.update(self._ask_with_witness(chunk))
        return outcomes

    def _ask_with_witness(self, instance_ids: Sequence[str]) -> dict[str, Outcome]:
        """Outcomes of ids of which an answer may show none."""
        found: dict[str, Instance] | CloudProviderError = {}
        if self._witness:
            found = self._describe(list(dict.fromkeys([*instance_ids, self._witness])))
        if not found:
            # No witness yet, or it is gone itself: any other instance will do.
            witness = self._any_instance()
            if isinstance(witness, CloudProviderError):
                return dict.fromkeys(instance_ids, witness)
            found = self._describe([*instance_ids, witness]) if witness else {}
        if isinstance(found, CloudProviderError):
            return dict.fromkeys(instance_ids, found)
        if not found:
            error = CloudProviderError(
                f"the cloud shows none of {len(instance_ids)} instances and no other instance in"
                f" region {self._ecs.region}: the access key may belong to another account, so"
                " nothing is taken for deleted"
            )
            return dict.fromkeys(instance_ids, error)
        return _believe(instance_ids, found)

    def _describe(self, instance_ids: Sequence[str]) -> dict[str, Instance] | CloudProviderError:
        try:
            answer = self._ecs.describe_instances(instance_ids=instance_ids)
        except CloudProviderError as error:
            return error
        found = {instance.instance_id: instance for instance in answer}
        foreign = found.keys() - set(instance_ids)
        if foreign:
            return CloudProviderError("the cloud answered with instances that nobody asked for")
        if found:
            self._witness = next(iter(found))
        return found

    def _any_instance(self) -> str | CloudProviderError:
        try:
            return self._ecs.any_instance()
        except CloudProviderError as error:
            return error


def _believe(instance_ids: Iterable[str], found: Mapping[str, Instance]) -> dict[str, Outcome]:
    """Outcomes from an answer that showed at least one instance."""
    return {
        instance_id: found.get(instance_id) or InstanceNotFound(f"no instance {instance_id}")
        for instance_id in instance_ids
    }


def identify(node: Node, region: str) -> str | CloudProviderError:
    """The instance id that ``node`` names, empty if it names none, or why it is not for us.

    Pure. A providerID counts first, then a node name that is one, or an instance id.
    """
    reason = provider_id.left_alone(node)
    if reason:
        return NotOwned(f"left alone: {reason}", resource=node.metadata.name)
    name = node.metadata.name
    text = node.spec.provider_id or (name if provider_id.is_valid(name) else "")
    if not text:
        return name if _INSTANCE_ID.fullmatch(name) else ""
    try:
        found = provider_id.parse(text)
    except InvalidConfiguration as error:
        return error
    if found.region != region:
        if not node.spec.provider_id:
            return ""  # only a name with a dot, such as node-1.example
        return CloudProviderError(
            f"{text} is in another region than ours, which is {region}: Global.region in the cloud "
            "config must be the region of the nodes"
        )
    return found.instance_id


def metadata(instance: Instance, node: Node, *, ipv6: bool) -> InstanceMetadata:
    """What ``instance`` means for ``node``. Pure; labels are upstream's (spec 2.2, 6.2)."""
    labels = {
        NODEPOOL_LABEL: instance.tags.get(NODEPOOL_TAG, ""),
        CHARGE_TYPE_LABEL: instance.charge_type,
        SPOT_STRATEGY_LABEL: instance.spot_strategy,
    }
    return InstanceMetadata(
        provider_id=str(provider_id.ProviderID(instance.region, instance.instance_id)),
        instance_type=instance.instance_type,
        node_addresses=addresses(instance, node, ipv6=ipv6),
        zone=instance.zone,
        region=instance.region,
        additional_labels={key: value for key, value in labels.items() if value},
    )


def addresses(instance: Instance, node: Node, *, ipv6: bool) -> tuple[NodeAddress, ...]:
    """External, then internal addresses, then the node's own host names; each once."""
    found = [
        *(("ExternalIP", address) for address in (*instance.public_ips, instance.eip)),
        *(("InternalIP", address) for address in (*instance.inner_ips, *instance.private_ips)),
        *(("InternalIP", address) for address in instance.ipv6_addresses if ipv6),
        *((own.type, own.address) for own in node.status.addresses or () if own.type == "Hostname"),
    ]
    return tuple(NodeAddress(kind, text) for kind, text in dict.fromkeys(found) if text)


def _state(outcome: Outcome) -> StateOutcome:
    if isinstance(outcome, InstanceNotFound):
        return InstanceState(exists=False)
    if isinstance(outcome, CloudProviderError):
        return outcome
    return InstanceState(exists=True, shutdown=outcome.status == "Stopped")
