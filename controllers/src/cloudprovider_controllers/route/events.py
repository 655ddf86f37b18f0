"""What is told about a Node's routes, in upstream's words (``spec/ccm-core.md`` 3.5.3)."""

from __future__ import annotations

import logging
from collections.abc import Container

from cloudprovider.errors import (
    CloudProviderError,
    InvalidConfiguration,
    NotOwned,
    QuotaExceeded,
    RetryLater,
    Unauthorized,
)
from cloudprovider.models import Node
from cloudprovider_controllers.route.demand import WantedId
from cloudprovider_controllers.runtime.recorder import EventRecorder
from cloudprovider_controllers.runtime.reminder import Reminder

logger = logging.getLogger(__name__)

#: Errors that stay until somebody changes something: told once an hour, not at each retry.
_LASTING = (InvalidConfiguration, Unauthorized, QuotaExceeded, NotOwned)


class RouteEvents:
    """Events on Nodes, through ``recorder``."""

    def __init__(self, recorder: EventRecorder) -> None:
        self._recorder = recorder
        self._told: Reminder[WantedId] = Reminder()

    def refused(self, node: Node, cidr: str, error: CloudProviderError) -> None:
        """A route was not even tried; told once."""
        self._failed(node, cidr, error, seconds=0.0, once=True)

    def failed(self, node: Node, cidr: str, error: CloudProviderError, seconds: float) -> None:
        """A route could not be created. Waiting is no failure; a lasting error is told once."""
        self._failed(node, cidr, error, seconds=seconds, once=isinstance(error, _LASTING))

    def _failed(
        self, node: Node, cidr: str, error: CloudProviderError, *, seconds: float, once: bool
    ) -> None:
        item = WantedId(node.metadata.name, cidr)
        text = (
            f"Could not create route {node.metadata.uid} {cidr} for node {node.metadata.name} "
            f"after {go_duration(seconds)}: {error}"
        )
        if isinstance(error, RetryLater):
            logger.info("%s", text)
            return
        # All but the request id, which is never the same.
        complaint = f"{type(error).__name__} {error.code} {error.message}"
        if self._told.is_due(item, complaint) or not once:
            self._recorder.event(
                node,
                "Warning",
                "FailedToCreateRoute",
                text,
                kind="Node",
                with_version=False,
                topic=f"{cidr} {complaint}",
            )

    def keep(self, items: Container[WantedId]) -> None:
        """Forget what was told about all but ``items``: it is told anew if it comes back."""
        self._told.keep(items)


def go_duration(seconds: float) -> str:
    """``seconds`` as Go prints a duration, in whole milliseconds: ``0s``, ``250ms``, ``1m5.5s``."""
    milliseconds = round(seconds * 1000)
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    text = f"{rest / 1000:g}s"
    if not minutes:
        return text
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"
