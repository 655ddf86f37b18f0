"""Calls with everything around them: deadline, budget, metrics, checks, errors, retries.

Source: ``spec/alicloud-sdk.md`` 8.2 to 8.4.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from cloudprovider.concurrency import Concurrency, Event, current
from cloudprovider.errors import RetryLater
from cloudprovider.toolkit import calls, fence
from cloudprovider.toolkit.sharing import SingleFlight
from cloudprovider_alicloud.api.caller import Caller, CallFailed, Product, flatten
from cloudprovider_alicloud.api.errors import (
    MATRIX,
    Call,
    Failure,
    Operation,
    Retry,
    classify,
    to_error,
)

_log = logging.getLogger(__name__)

#: Seconds for one attempt to answer (upstream's), and for all attempts of one call together.
READ_TIMEOUT, TOTAL = 20.0, 30.0

#: Less than this many seconds left: an attempt is not worth sending.
SHORTEST = 0.2

#: Calls per second and action, while the cloud does not throttle. It limits each action of an
#: account and region; the figures are in its Quota Center only, so these adapt (spec 8.4). At 40
#: writes, 200 Services with 100 nodes each would wait 18 s for their 800 calls that add backends.
READS = calls.Rate(per_second=50.0, burst=100.0)
WRITES = calls.Rate(per_second=100.0, burst=200.0)

_SHORT_TRIES = 5

#: How actions begin that take something away.
TAKING = ("Delete", "Remove", "Untag")

_NOT_LEADING = "not sent: not the leader any more"


class CloudApi:
    """The cloud, as the modules of this folder call it. Safe for threads.

    Args:
        caller: Carries out single attempts.
        region: Sent as ``RegionId`` where the parameters have none.
        metrics: Where attempts are counted; None = nowhere.
        reads: Budget of each reading action.
        writes: Budget of each writing action.
        refresh: Called once when the cloud refuses the credentials; whether there are newer ones.

    """

    def __init__(
        self,
        caller: Caller,
        *,
        region: str,
        metrics: calls.CallMetrics | None = None,
        reads: calls.Rate = READS,
        writes: calls.Rate = WRITES,
        refresh: Callable[[], bool] | None = None,
        concurrency: Concurrency | None = None,
    ) -> None:
        self.region = region
        self._caller = caller
        self._metrics = metrics or calls.call_metrics(None)
        self._rates = {False: reads, True: writes}
        self._refresh = refresh or (lambda: False)
        self._concurrency = concurrency or current()
        self._budgets = calls.Budgets(concurrency=self._concurrency)
        self._flights: SingleFlight[object, dict[str, Any]] = SingleFlight(
            concurrency=self._concurrency
        )
        self._stop: Event | None = None
        self._may_write: Callable[[], bool] = lambda: True
        #: Writes so far, by product: a read that began before a write is not shared after it.
        self._writes: dict[str, int] = {}

    def stop_on(self, stop: Event) -> None:
        """Once ``stop`` is set: send no write, retry nothing, wait for nothing."""
        self._stop = stop

    def fence_writes(self, may_write: Callable[[], bool]) -> None:
        """Send no write, first or repeated, while ``may_write()`` is false.

        It is asked at last when the request is about to go into the socket.
        """
        self._may_write = may_write

    def use_metrics(self, metrics: calls.CallMetrics) -> None:
        """Count attempts in ``metrics`` from now on."""
        self._metrics = metrics

    def read(self, product: Product, action: str, params: Mapping[str, object]) -> dict[str, Any]:
        """:meth:`call` for an action that changes nothing."""
        return self.call(product, action, params, idempotent=True, write=False)

    def call(
        self,
        product: Product,
        action: str,
        params: Mapping[str, object],
        *,
        idempotent: bool,
        write: bool,
    ) -> dict[str, Any]:
        """The reply to ``action``: a JSON object with a RequestId. Callers must not change it.

        Identical reads at the same time are sent once.

        Args:
            product: Whose API.
            action: E.g. ``DescribeInstances``.
            params: By wire name; nested lists and objects are flattened, None is left out.
            idempotent: Whether sending it twice does no harm: a read, or a write with ClientToken.
            write: Whether it can change something.

        Raises:
            CloudProviderError: one of its subclasses; :func:`.errors.to_error`.
            AmbiguousOutcome: a write whose outcome is unknown.
            DeadlineExceeded: the operation's time was over; not sent.
            RetryLater: nothing may be written; not sent.
            Overtaken: what it was to take away is asked for again; not sent.

        """
        full = flatten({"RegionId": self.region, **params})
        operation = Operation.of(idempotent=idempotent, write=write)
        call = Call(product, action, operation, region=full["RegionId"])
        if not write:
            key = (call, tuple(sorted(full.items())), self._writes.get(product, 0))
            return self._flights.do(key, lambda: self._carry_out(call, full))
        try:
            return self._carry_out(call, full)
        finally:
            self._writes[product] = self._writes.get(product, 0) + 1

    def _carry_out(self, call: Call, params: Mapping[str, str]) -> dict[str, Any]:
        """Attempts until one succeeds or the matrix says no."""
        refreshed: list[bool] = []
        try:
            return calls.retry(
                lambda: self._attempt(call, params),
                lambda error, tries: self._delay(call, error, tries, refreshed),
                limit=calls.remaining(TOTAL, concurrency=self._concurrency),
                concurrency=self._concurrency,
                sleep=self._sleep,
            )
        except CallFailed as failed:
            raise to_error(failed, call) from failed

    def _attempt(self, call: Call, params: Mapping[str, str]) -> dict[str, Any]:
        write = call.operation is not Operation.READ
        if write and self._stopping():
            raise RetryLater(f"{call.product}:{call.action} not sent: stopping", after=1.0)
        if write and not self._may_write():
            raise RetryLater(f"{call.product}:{call.action} {_NOT_LEADING}", after=1.0)
        budget = self._budgets.get((call.product, call.action), self._rates[write])
        left = calls.remaining(TOTAL, concurrency=self._concurrency)
        waited = budget.acquire(max(0.0, left), sleep=self._sleep)
        if waited > 0.0:
            self._metrics.waited("alicloud", call.product, call.action, waited)
        self._metrics.budget("alicloud", call.product, call.action, budget)
        left = calls.remaining(READ_TIMEOUT, concurrency=self._concurrency)
        if left < SHORTEST:
            raise calls.DeadlineExceeded(f"{call.product}:{call.action} not sent: no time left")
        if write and call.action.startswith(TAKING):
            fence.confirm()  # after whatever there was to wait for
        try:
            reply = self._timed(call, params, left)
        except CallFailed as failed:
            if classify(failed) is Failure.THROTTLED:
                budget.throttled(failed.retry_after)
                self._metrics.throttled("alicloud", call.product, call.action)
                self._metrics.budget("alicloud", call.product, call.action, budget)
            raise
        budget.succeeded()
        return reply

    def _timed(self, call: Call, params: Mapping[str, str], left: float) -> dict[str, Any]:
        started = self._concurrency.monotonic()
        code, request_id = "error", ""
        try:
            reply = verify(self._send(call, params, left))
            code, request_id = "ok", str(reply["RequestId"])
            return reply
        except CallFailed as failed:
            code, request_id = failed.code or failed.sent, failed.request_id
            raise
        finally:
            seconds = self._concurrency.monotonic() - started
            self._metrics.observe("alicloud", call.product, call.action, code=code, seconds=seconds)
            _log.debug(
                "%s:%s %s in %.3f s, request %s",
                call.product, call.action, code, seconds, request_id or "-",
            )  # fmt: skip

    def _send(self, call: Call, params: Mapping[str, str], left: float) -> dict[str, Any]:
        write = call.operation is not Operation.READ
        with fence.guarding(self._look if write else None):
            fence.look()  # here for callers that have no sockets
            return self._caller.call(call.product, call.action, params, read_timeout=left)

    def _look(self) -> None:
        if not self._may_write():
            raise CallFailed(_NOT_LEADING, sent="no")

    def _delay(
        self, call: Call, error: Exception, tries: int, refreshed: list[bool]
    ) -> float | None:
        """Seconds until the next attempt, or None; the matrix carried out."""
        if not isinstance(error, CallFailed) or self._stopping():
            return None
        jitter = calls.full_jitter(tries, concurrency=self._concurrency)
        match MATRIX[classify(error)][call.operation]:
            case Retry.YES:
                return max(jitter, error.retry_after or 0.0)
            case Retry.SHORT if tries <= _SHORT_TRIES:
                return self._concurrency.random.uniform(1.0, 3.0)
            case Retry.ONCE if tries == 1:
                return jitter
            case Retry.REFRESH if not refreshed:
                refreshed.append(True)
                return 0.0 if self._refresh() else None
            case _:
                return None

    def _sleep(self, seconds: float) -> None:
        if self._stop is None:
            self._concurrency.sleep(seconds)
        else:
            self._stop.wait(seconds)

    def _stopping(self) -> bool:
        return self._stop is not None and self._stop.is_set()


def verify(reply: object) -> dict[str, Any]:
    """``reply`` if it is what the cloud answers: an object with a RequestId and no error in it.

    The SDK takes any JSON for a success (``spec/alicloud-sdk.md`` 6).

    Raises:
        CallFailed: a foreign or broken answer (outcome unknown), or an error in a 200.

    """
    if not isinstance(reply, dict) or not isinstance(reply.get("RequestId"), str):
        raise CallFailed("the answer is not from the cloud's API", sent="unknown")
    request_id = reply["RequestId"]
    code = str(reply.get("Code") or "")
    refused = reply.get("Success") in {False, "false", "False"}
    if refused or (code and "Message" in reply and code.lower() not in {"200", "ok", "success"}):
        raise CallFailed(
            str(reply.get("Message") or "refused without a reason"),
            code=code or "Refused",
            http_status=200,
            request_id=request_id,
            sent="answered",
        )
    return reply
