"""From what the cloud says about an instance to an initialised Node.

Source: ``spec/ccm-core.md`` 3.2.2.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from cloudprovider.concurrency import Concurrency
from cloudprovider.errors import CloudProviderError, RetryLater
from cloudprovider.interface import InstanceMetadata, MetadataOutcome
from cloudprovider.models import Node
from cloudprovider.owners import recorded
from cloudprovider_controllers.node.addresses import desired_addresses
from cloudprovider_controllers.node.api import NodeApi, NodeGone
from cloudprovider_controllers.node.decisions import (
    Initialization,
    identity,
    initialization,
    is_uninitialized,
    with_provider_id,
)
from cloudprovider_controllers.node.metrics import NodeMetrics
from cloudprovider_controllers.runtime.errors import Invalid
from cloudprovider_controllers.runtime.recorder import EventRecorder
from cloudprovider_controllers.runtime.reminder import Reminder
from cloudprovider_controllers.runtime.worker import Result

logger = logging.getLogger(__name__)


class InitializationFailed(Exception):
    """A Node stays tainted; it is tried again."""


class Initializer:
    """Initialises one Node at a time. Safe for threads.

    Args:
        api: Writes Nodes.
        recorder: Events on Nodes.
        metrics: Where delays are counted.
        needs_provider_id: False for a cloud of the old interface: it may have no instance ids.
        concurrency: The clock.
        asked: Who was asked about a Node, with a space in front; empty where there is no choice.

    """

    def __init__(
        self,
        *,
        api: NodeApi,
        recorder: EventRecorder,
        metrics: NodeMetrics,
        needs_provider_id: bool,
        concurrency: Concurrency,
        asked: Callable[[Node], str] = lambda _: "",
    ) -> None:
        self._api = api
        self._recorder = recorder
        self._metrics = metrics
        self._needs_provider_id = needs_provider_id
        self._concurrency = concurrency
        self._asked = asked
        self._complaints: Reminder[str] = Reminder(concurrency)

    def forget(self, key: str) -> None:
        """The Node ``key`` is gone."""
        self._complaints.forget(key)

    def finish(self, node: Node, outcome: MetadataOutcome | None) -> Result | None:
        """Initialise ``node`` with what the provider answered. None leaves it alone.

        Raises:
            InitializationFailed: the cloud or the Node does not allow it; an event says why.
            ApiError: the API server refused.

        """
        name = node.metadata.name
        if outcome is None or not is_uninitialized(node):
            return None
        if isinstance(outcome, InstanceMetadata) and self._needs_provider_id:
            outcome = with_provider_id(node, outcome)
        if isinstance(outcome, RetryLater):
            return Result(after=outcome.after)
        if isinstance(outcome, CloudProviderError):
            doing = f"failed to get instance metadata for node {name}{self._asked(node)}"
            self._fail(node, doing, outcome)
            raise InitializationFailed(f"{doing}: {outcome}")
        try:
            self._initialize(node, outcome)
        except NodeGone as reason:
            logger.info("%s", reason)
        except CloudProviderError as error:
            doing = "failed to get node modifiers from cloud provider"
            self._fail(node, doing, error)
            raise InitializationFailed(f"{doing}: {error}") from error
        except Invalid as error:  # e.g. a label's value: it would be refused in silence for ever
            self._fail(node, "failed to write what the cloud says", CloudProviderError(str(error)))
            raise
        return None

    def _initialize(self, node: Node, metadata: InstanceMetadata) -> None:
        asked = _meant(node)
        plan = initialization(node, metadata)
        for key in plan.refused_labels:
            logger.warning("node %s: label %s is not the provider's to set", node.key, key)
        for key in plan.kept_labels:
            logger.warning("node %s: label %s is there with another value", node.key, key)
        # Addresses first, unlike upstream: if this fails, the taint brings the node back here.
        addresses = desired_addresses(node, metadata.node_addresses)
        if addresses is not None:
            node = self._api.set_addresses(node, addresses)

        def again(current: Node) -> Initialization | None:
            if not is_uninitialized(current) or _meant(current) != asked:
                return None  # the answer is about another instance; the change queues the Node anew
            return initialization(current, metadata)

        if self._api.initialize(node, again):
            self._observe(node)
        self._complaints.forget(node.key)

    def _observe(self, node: Node) -> None:
        created = node.metadata.creation_timestamp
        if created is not None:
            seconds = max(0.0, (self._concurrency.now() - created).total_seconds())
            self._metrics.taint_removal_delay.observe(seconds)
            self._metrics.initial_sync_delay.observe(seconds)
        self._recorder.event(node, "Normal", "Synced", "Node synced successfully")

    def _fail(self, node: Node, doing: str, error: CloudProviderError) -> None:
        """Tell once an hour what keeps ``node`` from being initialised."""
        complaint = f"{type(error).__name__} {error.code} {error.message}"
        if self._complaints.is_due(node.key, complaint):
            self._recorder.event(node, "Warning", "FailedToInitialize", f"{doing}: {error}")


def _meant(node: Node) -> tuple[object, ...]:
    """Which instance ``node`` stands for, and whose."""
    return (*identity(node), recorded(node))
