"""Names, tags and labels, byte for byte those of upstream's manager (``spec/alicloud.md`` 4.2).

They are the proof of whose a load balancer, listener, server group or backend is.
"""

from __future__ import annotations

import hashlib

from cloudprovider.models import Service
from cloudprovider.toolkit.ownership import Owner, Ownership, SlashName, TagProof
from cloudprovider.toolkit.service import default_load_balancer_name
from cloudprovider_alicloud.api.slb import LoadBalancer

TAG_OWNER = "kubernetes.do.not.delete"  #: value: the default name of the load balancer
TAG_CLUSTER = "ack.aliyun.com"  #: value: the cluster id
TAG_REUSED = "kubernetes.reused.by.user"  #: value: true; on a load balancer that a user brought

#: Label of a Service that holds the id of its load balancer (``spec/alicloud.md`` 3.7).
LABEL_ID = "service.k8s.alibaba/loadbalancer-id"

#: A load balancer with as many tags gets no more from us.
MOST_TAGS = 10

#: Server groups and the descriptions of their members; x is the node port.
GROUP_NAME = SlashName(limit=80)
#: Descriptions of listeners; x is the listener's port.
LISTENER_NAME = SlashName(limit=256)


def balancer_tags(owner: Owner, service: Service) -> dict[str, str]:
    """The tags that prove a load balancer to belong to ``service``, the most important first."""
    return {TAG_OWNER: default_load_balancer_name(service), TAG_CLUSTER: owner.cluster}


def balancer_ownership(balancer: LoadBalancer, owner: Owner, service: Service) -> Ownership:
    """Whose ``balancer`` is, as seen by ``service``.

    The name alone proves it where the tags were lost, because it holds the Service's UID; the
    cluster's tag may be missing (old versions) but may not differ.
    """
    name = default_load_balancer_name(service)
    proof = TagProof({TAG_OWNER: name}, optional={TAG_CLUSTER: owner.cluster})
    verdict = proof.check(balancer.tags)
    if verdict is Ownership.UNMARKED and balancer.name == name:
        return Ownership.OURS
    return verdict


def made_by_kubernetes(balancer: LoadBalancer) -> bool:
    """Whether a manager created it, so that nobody may reuse it."""
    return TAG_OWNER in balancer.tags or TAG_CLUSTER in balancer.tags


def listener_ownership(description: str, owner: Owner) -> Ownership:
    """Whose the listener with ``description`` is."""
    parts = LISTENER_NAME.parse(description)
    if parts is None or not (parts[0].isascii() and parts[0].isdigit()):
        return Ownership.UNMARKED
    return LISTENER_NAME.check(description, owner)


def client_token(owner: Owner, generation: str) -> str:
    """The token of a create call: the same for every retry, also after a crash.

    ``generation`` changes when the load balancer that the token gave us is known to be dead.
    """
    digest = hashlib.sha256(f"{owner.cluster}/{owner.uid}/{generation}".encode())
    return f"k8s-clb-{digest.hexdigest()[:40]}"
