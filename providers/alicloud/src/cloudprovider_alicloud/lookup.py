"""Finding the instances of nodes that have no id yet: by address, then by host name.

Needed once in a node's life, until its providerID is written. Exactly one instance must fit.
Source: ``spec/alicloud.md`` 6.2; ``spec/user-documents.md`` D1, D2.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from cloudprovider.errors import CloudProviderError
from cloudprovider.models import Node
from cloudprovider.toolkit.sharing import chunks
from cloudprovider_alicloud.api.ecs import BATCH, EcsApi, Instance
from cloudprovider_alicloud.config import AlicloudConfig

PROVIDED_NODE_IP = "alpha.kubernetes.io/provided-node-ip"

#: Instances by something they can be found by.
Index = Mapping[str, Mapping[str, Instance]]


class Lookup:
    """Look-ups in one region, and in one VPC if that is known."""

    def __init__(self, ecs: EcsApi, config: AlicloudConfig) -> None:
        self._ecs = ecs
        self._vpc_id = config.vpc_id
        self._tag_key = config.kubernetes_cluster_tag

    def find(self, nodes: Sequence[Node]) -> dict[str, Instance | CloudProviderError]:
        """One outcome for each of ``nodes``, by node name; never InstanceNotFound.

        One call for each 100 addresses; if a node stays without, the instances of the VPC are
        listed and compared by name.
        """
        try:
            by_address = self._by_address(nodes)
            rest = [node for node in nodes if not matches(candidates(node), by_address)]
            by_name = self._by_name() if rest else {}
        except CloudProviderError as error:
            return {node.metadata.name: error for node in nodes}
        return {node.metadata.name: self._choose(node, by_address, by_name) for node in nodes}

    def _choose(
        self, node: Node, by_address: Index, by_name: Index
    ) -> Instance | CloudProviderError:
        name = node.metadata.name
        found = matches(candidates(node), by_address)
        how = f"address {', '.join(candidates(node)) or '(none)'}"
        if not found:
            found = matches((name.lower(),), by_name)
            how += f", name {name}"
        if len(found) == 1:
            return found[0]
        where = f"{self._ecs.region}{'/' + self._vpc_id if self._vpc_id else ''}"
        tag = f" with tag {self._tag_key}" if self._tag_key else ""
        result = ", ".join(item.instance_id for item in found[:3]) or "nothing"
        return CloudProviderError(
            f"no single instance for node {name}: providerID is empty, the name is no"
            f" REGION.INSTANCE; looked in {where}{tag} by {how}: {result}"
        )

    def _by_address(self, nodes: Sequence[Node]) -> Index:
        wanted = list(dict.fromkeys(ip for node in nodes for ip in candidates(node)))
        found: list[tuple[str, Instance]] = []
        for chunk in chunks(wanted, BATCH):
            answer = self._ecs.describe_instances(
                private_ips=chunk, vpc_id=self._vpc_id, tag_key=self._tag_key
            )
            found.extend((ip, item) for item in answer for ip in item.private_ips)
        return _index(found)

    def _by_name(self) -> Index:
        answer = self._ecs.describe_instances(vpc_id=self._vpc_id, tag_key=self._tag_key)
        names = ((name, item) for item in answer for name in (item.host_name, item.name))
        return _index((name.lower(), item) for name, item in names if name)


def candidates(node: Node) -> tuple[str, ...]:
    """IPv4 addresses that ``node`` may be found by: its own, and its name if that is one."""
    own = [own.address for own in node.status.addresses or () if own.type == "InternalIP"]
    provided = (node.metadata.annotations or {}).get(PROVIDED_NODE_IP, "").split(",")
    texts = [text.strip() for text in (*own, *provided, node.metadata.name)]
    return tuple(dict.fromkeys(text for text in texts if _is_ipv4(text)))


def matches(keys: Iterable[str], index: Index) -> list[Instance]:
    """The different instances that ``index`` has under any of ``keys``."""
    found: dict[str, Instance] = {}
    for key in keys:
        found.update(index.get(key, {}))
    return list(found.values())


def _index(pairs: Iterable[tuple[str, Instance]]) -> Index:
    index: dict[str, dict[str, Instance]] = defaultdict(dict)
    for key, instance in pairs:
        index[key][instance.instance_id] = instance
    return index


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
