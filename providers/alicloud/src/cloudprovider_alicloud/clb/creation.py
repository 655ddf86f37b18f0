"""Creating a load balancer exactly once, whatever happens in between.

The tags go into the create call itself, so a crash leaves nothing that cannot be found. The client
token is computed, not drawn, so a retry, also by the next process, gets the same load balancer. A
token outlives the load balancer it made: when that is known to be gone, its id becomes part of the
next token (``spec/alicloud.md`` 12, row 20).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from cloudprovider.concurrency import Concurrency
from cloudprovider.errors import CloudProviderError, RetryLater, unexpected
from cloudprovider.models import Service
from cloudprovider.toolkit.ownership import Owner
from cloudprovider_alicloud.api.errors import AmbiguousOutcome
from cloudprovider_alicloud.api.slb import LoadBalancer, SlbApi
from cloudprovider_alicloud.api.vpc import VpcApi
from cloudprovider_alicloud.clb import names
from cloudprovider_alicloud.clb import operations as op
from cloudprovider_alicloud.clb.inventory import Inventory
from cloudprovider_alicloud.clb.memory import Remembered
from cloudprovider_alicloud.config import AlicloudConfig

_log = logging.getLogger(__name__)

#: Writes labels on a Service; None removes one.
Recorder = Callable[[Service, Mapping[str, str | None]], None]

NO_ADDRESS_LEFT = "VSwitchAvailableIpNotExist"
TOKEN_CONFLICT = "LX_REQUEST_TOKEN_CONFLICT"  # noqa: S105 - an error code
#: Seconds to look for what an earlier request with our token made, before a new token is used.
CONFLICT_WAIT = 15.0
#: Seconds in which a create call whose answer was lost may still take effect.
CREATE_SETTLES = 60.0


class Creator:
    """Creates load balancers and writes their ids to their Services."""

    def __init__(
        self,
        api: SlbApi,
        vpc: VpcApi,
        inventory: Inventory,
        *,
        config: AlicloudConfig,
        recorder: Recorder,
        concurrency: Concurrency,
    ) -> None:
        self._api = api
        self._vpc = vpc
        self._inventory = inventory
        self._config = config
        self.recorder = recorder
        self._concurrency = concurrency

    def create(
        self,
        operation: op.CreateBalancer,
        service: Service,
        remembered: Remembered,
        *,
        any_vswitch: bool,
    ) -> LoadBalancer:
        """Create the load balancer of ``service``; id and address of the result are known.

        Args:
            operation: What to create.
            service: Whose it is.
            remembered: What is known of it; brought up to date.
            any_vswitch: Whether another configured vSwitch may be used if one is full.

        """
        try:
            created = self._attempt(operation.params, service, remembered)
        except CloudProviderError as error:
            full = error.code == NO_ADDRESS_LEFT and any_vswitch
            other = self._other_vswitch(operation.params) if full else ""
            if not other:
                raise
            params = {**operation.params, "VSwitchId": other}
            created = self._attempt(params, service, remembered)
        if self._inventory.is_gone(created.id):
            remembered.dead_id = created.id
            created = self._attempt(operation.params, service, remembered)
        remembered.balancer_id = created.id
        remembered.create_unknown_at = remembered.conflict_at = None
        self._record_early(service, remembered, created.id)
        return created

    def _attempt(
        self, params: Mapping[str, object], service: Service, remembered: Remembered
    ) -> LoadBalancer:
        owner = Owner.of(self._config.cluster_id, service)
        token = names.client_token(owner, remembered.dead_id)
        try:
            return self._api.create_load_balancer(params, token=token)
        except AmbiguousOutcome:
            remembered.create_unknown_at = self._concurrency.monotonic()
            self._inventory.outdated()
            raise
        except CloudProviderError as error:
            if error.code != TOKEN_CONFLICT:
                raise
            self._inventory.outdated()
            raise self._conflict(error, token, remembered) from error

    def _conflict(
        self, error: CloudProviderError, token: str, remembered: Remembered
    ) -> CloudProviderError:
        """An earlier request had this token and other parameters: what it made must show first."""
        now = self._concurrency.monotonic()
        if remembered.conflict_at is None:
            remembered.conflict_at = now
        elif now - remembered.conflict_at >= CONFLICT_WAIT:
            remembered.dead_id, remembered.conflict_at = token, None
        return RetryLater(
            "an earlier request to create this load balancer had other parameters; looking for "
            "what it made",
            after=CONFLICT_WAIT,
            code=error.code,
            request_id=error.request_id,
        )

    def _other_vswitch(self, params: Mapping[str, object]) -> str:
        """Another configured vSwitch with addresses left, or empty."""
        first = params.get("VSwitchId")
        configured = [v.vswitch_id for v in self._config.vswitches if v.vswitch_id != first]
        if not first or not configured:
            return ""
        for vswitch in self._vpc.describe_vswitches(vpc_id=self._config.vpc_id):
            if vswitch.vswitch_id in configured and vswitch.available_ip_count > 0:
                return vswitch.vswitch_id
        return ""

    def record(self, service: Service, remembered: Remembered, balancer_id: str) -> None:
        """Write the id to the Service, unless it is there.

        Raises:
            CloudProviderError: it could not be written. A pass must not count as done then: nothing
                would try again, and a deletion would have only the tags to go by.

        """
        labels = service.metadata.labels or {}
        if balancer_id in (labels.get(names.LABEL_ID), remembered.recorded_id):
            return
        try:
            self.recorder(service, {names.LABEL_ID: balancer_id})
        except CloudProviderError:
            raise
        except Exception as error:
            raise unexpected(error) from error
        remembered.recorded_id = balancer_id

    def _record_early(self, service: Service, remembered: Remembered, balancer_id: str) -> None:
        """As soon as the id is known; if that fails, the end of the pass tries again and raises."""
        try:
            self.record(service, remembered, balancer_id)
        except CloudProviderError as error:
            _log.warning("%s: id %s not written yet: %s", service.key, balancer_id, error)

    def unsettled(self, remembered: Remembered) -> bool:
        """Whether a create call without an answer may still take effect."""
        at = remembered.create_unknown_at
        return at is not None and self._concurrency.monotonic() - at < CREATE_SETTLES
