"""Around any SDK call: a deadline, a budget that adapts to throttling, retries, metrics.

A provider puts these between its own functions and its SDK, once, so that every call of every
service behaves the same. All clocks, sleeps and random numbers come from
:class:`~cloudprovider.concurrency.Concurrency`. What several callers can share (identical reads,
bulk look-ups, answers of the last seconds) is in :mod:`cloudprovider.toolkit.sharing`.

Reasons: ``spec/alicloud-sdk.md`` 8.2 to 8.4.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import re
import weakref
from collections.abc import Callable, Hashable, Iterator
from typing import TypeVar

import tenacity
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from cloudprovider.concurrency import Concurrency, Event, current
from cloudprovider.errors import CloudProviderError, Throttled

_T = TypeVar("_T")

# -- deadline --------------------------------------------------------------------------------

#: When the current operation must be over, on its concurrency's monotonic clock; None = never.
_deadline: contextvars.ContextVar[float | None] = contextvars.ContextVar("deadline", default=None)


class DeadlineExceeded(CloudProviderError):
    """The operation's time was over before this call could be sent: nothing happened."""


@contextlib.contextmanager
def deadline(seconds: float, *, concurrency: Concurrency | None = None) -> Iterator[None]:
    """Give everything called inside the block ``seconds`` in all; an outer deadline still holds.

    Per thread: work handed to other threads does not inherit it.
    """
    end = (concurrency or current()).monotonic() + seconds
    outer = _deadline.get()
    token = _deadline.set(end if outer is None else min(end, outer))
    try:
        yield
    finally:
        _deadline.reset(token)


def remaining(default: float, *, concurrency: Concurrency) -> float:
    """Seconds until the deadline, at most ``default``; negative if it has passed."""
    end = _deadline.get()
    return default if end is None else min(default, end - concurrency.monotonic())


# -- budget ----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Rate:
    """How often an API may be called: a token bucket, and how it adapts.

    Args:
        per_second: Calls per second in the long run; the ceiling.
        burst: Calls at once after a pause.
        floor: The rate never falls below this.
        recover: Calls per second that the rate regains in each second without throttling.

    """

    per_second: float
    burst: float
    floor: float = 0.5
    recover: float = 1.0


#: A pause after throttling doubles with each further refusal from the first to the second.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0


class Budget:
    """The calls that one API may take: additive increase, multiplicative decrease (AIMD).

    Callers are served in the order in which they ask. A refusal for rate halves the rate and
    pauses everyone, those too who wait for their turn already: they queue anew. Many refusals of
    calls that were in flight together count once.
    """

    def __init__(self, rate: Rate, *, concurrency: Concurrency | None = None) -> None:
        self._limits = rate
        self._concurrency = concurrency or current()
        self._lock = self._concurrency.lock()
        self._rate = rate.per_second
        self._tokens = rate.burst
        self._updated = self._concurrency.monotonic()
        self._paused_until = self._updated
        self._refusals = 0
        #: Counts pauses: who was given a turn before one has lost it.
        self._pauses = 0

    @property
    def rate(self) -> float:
        """Calls per second allowed at the last call."""
        return self._rate

    def acquire(self, limit: float, *, sleep: Callable[[float], None] | None = None) -> float:
        """Wait for leave to call once; return the seconds waited.

        Args:
            limit: The longest wait that makes sense, in seconds.
            sleep: Instead of the concurrency's; may be cut short.

        Raises:
            Throttled: it would take longer than ``limit``; nothing was taken from the budget.

        """
        waited = 0.0
        while True:
            with self._lock:
                wait, pauses = self._wait(), self._pauses
                if waited + wait > limit:
                    raise Throttled("the budget for this API is used up", after=wait)
                self._tokens -= 1.0
            if wait <= 0.0:
                return waited
            (sleep or self._concurrency.sleep)(wait)
            waited += wait
            with self._lock:
                if pauses == self._pauses:
                    return waited

    def _wait(self) -> float:
        now = self._refill()
        pause = max(0.0, self._paused_until - now)
        return pause + max(0.0, (1.0 - self._tokens) / self._rate)

    def throttled(self, after: float | None = None) -> None:
        """The cloud refused a call for rate, and asked to wait ``after`` seconds if not None."""
        with self._lock:
            now = self._refill()
            if now < self._paused_until:
                if after is not None and now + after > self._paused_until:
                    self._pause_until(now + after)
                return
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**self._refusals)
            self._refusals += 1
            self._rate = max(self._limits.floor, self._rate / 2.0)
            self._pause_until(now + (pause if after is None else after))

    def _pause_until(self, end: float) -> None:
        self._paused_until = end
        self._pauses += 1
        self._tokens = 1.0  # for whoever goes first after the pause

    def succeeded(self) -> None:
        """The cloud took a call."""
        if self._refusals:
            with self._lock:
                self._refusals = 0

    def _refill(self) -> float:
        now = self._concurrency.monotonic()
        # A pause adds nothing: those who wait for its end must not all go at once then.
        counted = max(0.0, now - max(self._updated, self._paused_until))
        self._updated = now
        self._tokens = min(self._limits.burst, self._tokens + counted * self._rate)
        gained = counted * self._limits.recover
        self._rate = min(self._limits.per_second, self._rate + gained)
        return now


class Budgets:
    """One :class:`Budget` per key, made when first asked for."""

    def __init__(self, *, concurrency: Concurrency | None = None) -> None:
        self._concurrency = concurrency or current()
        self._lock = self._concurrency.lock()
        self._budgets: dict[Hashable, Budget] = {}

    def get(self, key: Hashable, rate: Rate) -> Budget:
        """The budget of ``key``; ``rate`` counts the first time."""
        with self._lock:
            budget = self._budgets.get(key)
            if budget is None:
                budget = self._budgets[key] = Budget(rate, concurrency=self._concurrency)
            return budget


# -- retry -----------------------------------------------------------------------------------

#: From an error and the number of attempts made (from 1): seconds until the next, None = give up.
Delay = Callable[[Exception, int], float | None]


def full_jitter(
    attempt: int, *, base: float = 0.5, cap: float = 10.0, concurrency: Concurrency
) -> float:
    """Random seconds between 0 and the smaller of ``cap`` and ``base * 2 ** (attempt - 1)``."""
    return concurrency.random.uniform(0.0, min(cap, base * 2.0 ** (attempt - 1)))


def retry(
    attempt: Callable[[], _T],
    delay: Delay,
    *,
    limit: float,
    concurrency: Concurrency,
    sleep: Callable[[float], None] | None = None,
) -> _T:
    """Call ``attempt`` until it returns, ``delay`` gives up, or the next try came too late.

    Args:
        attempt: What to do.
        delay: Decides on each error.
        limit: Seconds in all; no try starts after them.
        concurrency: Whose clock and sleep.
        sleep: Instead of the concurrency's; may be cut short.

    Raises:
        Exception: the last error of ``attempt``, as it was.

    """
    end = concurrency.monotonic() + limit
    waits: dict[int, float] = {}

    def again(state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome is not None else None
        if not isinstance(error, Exception):
            return False
        seconds = delay(error, state.attempt_number)
        if seconds is None or concurrency.monotonic() + seconds >= end:
            return False
        waits[state.attempt_number] = seconds
        return True

    return tenacity.Retrying(
        retry=again,
        wait=lambda state: waits[state.attempt_number],
        sleep=sleep or concurrency.sleep,
        reraise=True,
    )(attempt)


def interruptible_sleep(stop: Event) -> Callable[[float], None]:
    """A sleep that ends early when ``stop`` is set."""

    def sleep(seconds: float) -> None:
        stop.wait(seconds)

    return sleep


# -- metrics ---------------------------------------------------------------------------------

#: Different codes that metrics show; further ones are counted as ``other``.
MOST_CODES = 200
_CODE = re.compile(r"[A-Za-z0-9._-]{1,100}")
_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class CallMetrics:
    """What calls to clouds cost, in one registry for all providers; see :func:`call_metrics`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._duration = Histogram(
            "cloudprovider_api_request_duration_seconds",
            "Duration of one attempt at a call to a cloud, by outcome",
            ["provider", "service", "action", "code"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self._waiting = Counter(
            "cloudprovider_api_budget_wait_seconds",
            "Time that calls to a cloud waited for their budget",
            ["provider", "service", "action"],
            registry=registry,
        )
        self._throttled = Counter(
            "cloudprovider_api_throttled",
            "Attempts that a cloud refused because there were too many",
            ["provider", "service", "action"],
            registry=registry,
        )
        self._rate = Gauge(
            "cloudprovider_api_budget_rate",
            "Calls per second that the budget allowed at the last call; throttling lowers it",
            ["provider", "service", "action"],
            registry=registry,
        )
        self._codes: set[str] = set()

    def observe(
        self, provider: str, service: str, action: str, *, code: str, seconds: float
    ) -> None:
        """One attempt took ``seconds``; ``code`` is ``ok`` or the cloud's error code."""
        self._duration.labels(provider, service, action, self._bounded(code)).observe(seconds)

    def budget(self, provider: str, service: str, action: str, budget: Budget) -> None:
        """``budget`` gave leave to call, or was told of a refusal."""
        self._rate.labels(provider, service, action).set(budget.rate)

    def throttled(self, provider: str, service: str, action: str) -> None:
        """A call was refused because there were too many."""
        self._throttled.labels(provider, service, action).inc()

    def _bounded(self, code: str) -> str:
        """``code``, or ``other``: a server must not fill the memory with codes it makes up."""
        if code not in self._codes:
            if len(self._codes) >= MOST_CODES or not _CODE.fullmatch(code):
                return "other"
            self._codes.add(code)
        return code

    def waited(self, provider: str, service: str, action: str, seconds: float) -> None:
        """A call waited ``seconds`` for its budget."""
        self._waiting.labels(provider, service, action).inc(seconds)


_metrics: weakref.WeakKeyDictionary[CollectorRegistry, CallMetrics] = weakref.WeakKeyDictionary()


def call_metrics(registry: CollectorRegistry | None) -> CallMetrics:
    """The metrics in ``registry``, made once however many providers ask; None = a private one."""
    if registry is None:
        return CallMetrics(CollectorRegistry())
    if registry not in _metrics:
        _metrics[registry] = CallMetrics(registry)
    return _metrics[registry]
