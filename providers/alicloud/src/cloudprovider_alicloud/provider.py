"""The provider: wires its parts. Entry point ``alicloud`` of ``cloudprovider.providers``."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from importlib import metadata as packages
from typing import TYPE_CHECKING, TextIO

from cloudprovider.concurrency import Concurrency, Event, current
from cloudprovider.errors import InvalidConfiguration
from cloudprovider.interface import ClientBuilder, InstancesV2, Interface, LoadBalancer, Routes
from cloudprovider.models import Node, Service
from cloudprovider.toolkit.calls import call_metrics
from cloudprovider_alicloud import config as configuration
from cloudprovider_alicloud import metadata, provider_id
from cloudprovider_alicloud.api.caller import Caller, SdkCaller
from cloudprovider_alicloud.api.client import CloudApi
from cloudprovider_alicloud.api.ecs import EcsApi
from cloudprovider_alicloud.api.slb import SlbApi
from cloudprovider_alicloud.api.vpc import VpcApi
from cloudprovider_alicloud.clb.apply import DEFAULT_BATCH, LARGEST_BATCH
from cloudprovider_alicloud.clb.load_balancer import ClbLoadBalancer
from cloudprovider_alicloud.clb.reconcile import Settings
from cloudprovider_alicloud.instances import Instances
from cloudprovider_alicloud.routes import VpcRoutes
from cloudprovider_alicloud.service_marks import ServiceMarks, is_marked

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

NAME = "alicloud"
#: ``spec.loadBalancerClass`` of a classic load balancer. The Go manager ignores it, so that both
#: never take the same Service; its ``alibabacloud.com/nlb`` is another product.
#: Source: ``spec/alicloud.md`` 3.6.
CLB_CLASS = "alibabacloud.com/clb"


def new_alicloud(config: TextIO | None, *, sg_batch_size: int = DEFAULT_BATCH) -> AlicloudProvider:
    """The provider for a cloud config file (None: the environment alone).

    Asks the metadata service for what the configuration leaves open; calls no other API.

    Args:
        config: The opened file.
        sg_batch_size: ``--sg-batch-size``: members of a server group in one call, 1 to 40.

    Raises:
        InvalidConfiguration: the configuration or the environment is wrong.

    """
    loaded = configuration.load(None if config is None else _text(config), os.environ)
    service = metadata.MetadataService(loaded.metadata_endpoint)
    settings = Settings(batch_size=sg_batch_size)
    return AlicloudProvider(metadata.complete(loaded, service), settings=settings)


def _text(config: TextIO) -> str:
    try:
        return config.read()
    except UnicodeDecodeError as error:
        raise InvalidConfiguration(
            f"not UTF-8 text ({error.reason} at byte {error.start})", field="cloud config"
        ) from None  # the error holds the file's content


#: The provider's own flags, as the manager reads them: default, help, accepted values.
new_alicloud.flags = {  # type: ignore[attr-defined]
    # Upstream's default is 40, which only some accounts take (``spec/alicloud.md`` 4.5).
    "sg-batch-size": (
        DEFAULT_BATCH,
        "Backends in one call that adds them to a server group or removes them, 1 to 40. More than "
        "20 only if the account takes them; a refusal halves it.",
        range(1, LARGEST_BATCH + 1),
    ),
}

#: Flags of Alibaba's own manager (``spec/alicloud.md`` 8.1): known, so that its manifests start.
new_alicloud.old_flags = {  # type: ignore[attr-defined]
    "dry-run": (False, "refused", "this manager would change the cloud all the same"),
    "network": ("vpc", "refused", "set network in the cloud config file"),
    "max-concurrent-actions": (
        10,
        "ignored",
        "each action of the API has a budget that adapts; see --concurrent-service-syncs.",
    ),
    "max-throttling-retry-times": (
        10,
        "ignored",
        "a throttled call is repeated until the time for its operation is over.",
    ),
    "enable-imdsv2": (True, "ignored", "the metadata service is asked with a token always."),
    "node-reconcile-batch-size": (100, "ignored", "100 instances are asked about at once."),
    "route-reconcile-batch-size": (50, "ignored", "routes are written in the largest batches."),
    "skip-disable-source-dest-check": (
        False,
        "ignored",
        "the source and destination check of network interfaces is left alone.",
    ),
    "node-event-aggregation-wait-seconds": (
        1,
        "ignored",
        "changes of nodes are collected for 0.5 s to 5 s.",
    ),
}


class AlicloudProvider(Interface):
    """Alibaba Cloud in one region.

    Args:
        config: What the operator decided.
        caller: Carries out calls; None = the vendor's SDK with the keys of ``config``.
        settings: What flags tune; None = their defaults.
        registry: Where metrics of calls go; None = nowhere. :meth:`use_metrics` sets it later.

    """

    def __init__(
        self,
        config: configuration.AlicloudConfig,
        *,
        caller: Caller | None = None,
        settings: Settings | None = None,
        registry: CollectorRegistry | None = None,
        concurrency: Concurrency | None = None,
    ) -> None:
        self.config = config
        concurrency = concurrency or current()
        self._caller = caller or _sdk_caller(config, concurrency)
        self.api = CloudApi(
            self._caller,
            region=config.region,
            metrics=call_metrics(registry),
            refresh=config.credentials.refresh if config.credentials else None,
            concurrency=concurrency,
        )
        vpc = VpcApi(self.api)
        self._instances = Instances(EcsApi(self.api), config)
        self._routes = VpcRoutes(vpc, config, concurrency=concurrency)
        self._load_balancer = ClbLoadBalancer(
            SlbApi(self.api), vpc, config, settings=settings, concurrency=concurrency
        )

    def provider_name(self) -> str:
        return NAME

    def has_cluster_id(self) -> bool:
        # ``Global.clusterID`` has a default that upstream's clusters live with.
        return True

    def initialize(self, client_builder: ClientBuilder, stop: Event) -> None:
        self.api.stop_on(stop)
        marks = ServiceMarks(client_builder.client("service-controller"))
        self._load_balancer.set_recorder(marks.label)
        self._load_balancer.set_releaser(marks.release)
        if isinstance(self._caller, SdkCaller):
            self._caller.load()

    def use_metrics(self, registry: CollectorRegistry) -> None:
        """Count calls in ``registry`` from now on."""
        self.api.use_metrics(call_metrics(registry))

    def fence_writes(self, may_write: Callable[[], bool]) -> None:
        """Send no write while ``may_write()`` is false."""
        self.api.fence_writes(may_write)

    def load_balancer(self) -> LoadBalancer:
        return self._load_balancer

    def instances_v2(self) -> InstancesV2:
        return self._instances

    def routes(self) -> Routes:
        return self._routes

    def claims_node(self, node: Node) -> bool:
        return provider_id.claims(node)

    def load_balancer_classes(self) -> Collection[str]:
        return (CLB_CLASS,)

    def claims_service(self, service: Service) -> bool:
        return is_marked(service)


def _sdk_caller(config: configuration.AlicloudConfig, concurrency: Concurrency) -> SdkCaller:
    if config.credentials is None:
        raise ValueError("a config without credentials needs a caller")
    version = packages.version("k8s-cloudprovider-alicloud")
    return SdkCaller(
        config.endpoints(),
        region=config.region,
        credentials=config.credentials,
        # Upstream's form, so that the cloud's statistics see the same product.
        user_agent=f"ack.ccm/{version} ClusterId/{config.cluster_id}",
        concurrency=concurrency,
    )
