"""Looks now and then whether the cloud is still as the controller left it.

A provider that can tell cheaply is asked about all Services at once (``LoadBalancer.survey``). What
it says is a hint: a Service is ensured again, which finds out what is so and mends it. One that
another controller serves by now, and that still has our finalizer, left while nobody looked: it is
cleaned up. A load balancer without a Service, or whose Service has no finalizer, is only reported:
whose it is cannot be proved from here (``design.md`` 5, R1). Source: ``spec/ccm-core.md`` 6.2 #17,
#35.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from cloudprovider.concurrency import Concurrency, Event
from cloudprovider.errors import CloudProviderError
from cloudprovider.interface import LoadBalancer, Survey
from cloudprovider.models import Service
from cloudprovider_controllers.provider_calls import guarded
from cloudprovider_controllers.runtime.store import Store
from cloudprovider_controllers.service.decisions import (
    Ours,
    has_finalizer,
    says_no,
)
from cloudprovider_controllers.service.metrics import ServiceMetrics
from cloudprovider_controllers.service.state import StateTable

logger = logging.getLogger(__name__)

#: Load balancers that one line of the log names.
_NAMED = 10


class Surveyor:
    """Asks the provider and queues what it found changed.

    Args:
        load_balancer: The provider's load balancers.
        services: Every Service.
        states: What this process knows about them.
        ours: Whether a provider here has a say in a Service.
        enqueue: Queues a Service.
        metrics: Where findings are counted.

    """

    def __init__(
        self,
        load_balancer: LoadBalancer,
        *,
        cluster_name: str,
        services: Store[Service],
        states: StateTable,
        ours: Ours,
        enqueue: Callable[[str], None],
        metrics: ServiceMetrics,
        concurrency: Concurrency,
    ) -> None:
        self._load_balancer = load_balancer
        self._cluster_name = cluster_name
        self._services = services
        self._states = states
        self._ours = ours
        self._enqueue = enqueue
        self._metrics = metrics
        self._concurrency = concurrency
        self._suspects: Mapping[str, str] = {}
        self._left: frozenset[str] = frozenset()
        self._reported: frozenset[str] = frozenset()

    @property
    def useful(self) -> bool:
        """Whether the provider has an answer of its own."""
        return type(self._load_balancer).survey is not LoadBalancer.survey

    def run(self, stop: Event, period: float) -> None:
        """Look every ``period`` seconds until ``stop`` is set."""
        while not stop.wait(period):
            try:
                self.look()
            except CloudProviderError as error:
                logger.warning("load balancers could not be surveyed: %s", error)
            except Exception:
                logger.exception("load balancers could not be surveyed")

    def look(self) -> None:
        """Ask once and act on the answer.

        Raises:
            CloudProviderError: there is none.

        """
        services = self._services.list()
        answer: object = guarded(lambda: self._load_balancer.survey(self._cluster_name, services))
        if answer is None:
            return
        if not isinstance(answer, Survey):
            raise CloudProviderError(f"the provider answered {type(answer).__name__}, not a Survey")
        self._repair(answer.drifted)
        self._report({**answer.orphans, **self._clean_up_after(services, answer.marked)})

    def _clean_up_after(
        self, services: Sequence[Service], marked: Mapping[str, str]
    ) -> dict[str, str]:
        """Clean up after Services that left unseen; what they left that is not certain, by id.

        Only on the second sight, as orphans are reported: our cache may lag.
        """
        left = [
            service
            for service in services
            if service.metadata.uid in marked
            and says_no(service, self._ours)
            and self._states.get(service.key) is None
        ]
        for service in filter(has_finalizer, left):
            if service.metadata.uid in self._left:
                logger.warning(
                    "%s has load balancer %s of ours, and is another controller's by now",
                    service.key,
                    marked[service.metadata.uid],
                )
                self._states.ask_cleanup(service)
                self._enqueue(service.key)
        self._left = frozenset(service.metadata.uid for service in left)
        return {
            marked[service.metadata.uid]: f"(Service {service.key} wants none of us)"
            for service in left
            if not has_finalizer(service)
        }

    def _repair(self, drifted: Mapping[str, str]) -> None:
        now = self._concurrency.monotonic()
        for key, state in self._states.items():
            found = drifted.get(state.service.metadata.uid)
            # Without ``ensured`` a pass is due anyway.
            if found is not None and state.ensured is not None:
                logger.warning("load balancer of %s was changed in the cloud: %s", key, found)
                self._metrics.drift.inc()
                self._states.ask_verification(state, now)
                self._enqueue(key)

    def _report(self, orphans: Mapping[str, str]) -> None:
        """Report those that were seen twice: lists of a cloud lag, and so may our cache."""
        certain = {id_: whose for id_, whose in orphans.items() if id_ in self._suspects}
        self._suspects = orphans
        self._metrics.orphans.set(len(certain))
        if new := sorted(certain.keys() - self._reported):
            logger.warning(
                "%d load balancers of this cluster serve no Service, and cost money; delete "
                "them by hand if nobody needs them: %s%s",
                len(certain),
                ", ".join(f"{id_} {certain[id_]}" for id_ in new[:_NAMED]),
                " …" if len(new) > _NAMED else "",
            )
        self._reported = frozenset(certain)
