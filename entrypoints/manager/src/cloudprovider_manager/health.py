"""Health checks and what ``/healthz``, ``/livez`` and ``/readyz`` answer from them.

The texts are upstream's (``spec/ccm-core.md`` 4.7); unlike upstream's constant pings the checks are
real: a controller's is its heartbeat.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence

from cloudprovider.concurrency import Concurrency, current

_log = logging.getLogger(__name__)

#: The endpoints; ``healthz`` and ``livez`` ask the same checks.
ENDPOINTS = ("healthz", "livez", "readyz")


@dataclasses.dataclass(frozen=True)
class Check:
    """One check. ``healthy`` must not block; raising counts as unhealthy."""

    name: str
    healthy: Callable[[], bool]
    ready_only: bool = False  #: asked by ``/readyz`` alone: failing must not restart the process


class Health:
    """The checks of this process; safe for threads.

    ``observe`` is told the name, the endpoint and the result of each check of a report.
    """

    def __init__(
        self,
        *,
        observe: Callable[[str, str, bool], None] = lambda *_: None,
        concurrency: Concurrency | None = None,
    ) -> None:
        self._observe = observe
        self._lock = (concurrency or current()).lock()
        self._checks: dict[str, Check] = {}

    def add(self, check: Check) -> None:
        """Ask ``check`` from now on; one of the same name is replaced."""
        with self._lock:
            self._checks[check.name] = check

    def checks(self, endpoint: str) -> list[Check]:
        """The checks of ``endpoint``; ``ping`` if there are none."""
        with self._lock:
            found = list(self._checks.values())
        if endpoint != "readyz":
            found = [check for check in found if not check.ready_only]
        return found or [Check("ping", lambda: True)]

    def report(
        self, endpoint: str, *, verbose: bool = False, exclude: Sequence[str] = ()
    ) -> tuple[int, str]:
        """HTTP status and text of ``/endpoint``; a failure always lists the checks."""
        checks = self.checks(endpoint)
        failed = False
        lines = []
        for check in checks:
            if check.name in exclude:
                lines.append(f"[+]{check.name} excluded: ok")
                continue
            healthy = passes(check)
            self._observe(check.name, endpoint, healthy)
            failed = failed or not healthy
            lines.append(
                f"[+]{check.name} ok" if healthy else f"[-]{check.name} failed: reason withheld"
            )
        unknown = [name for name in exclude if name not in {check.name for check in checks}]
        if unknown:
            names = ", ".join(f'"{name}"' for name in unknown)
            lines.append(f"warn: some health checks cannot be excluded: no matches for {names}")
        if not failed and not verbose:
            return 200, "ok"
        lines.append(f"{endpoint} check {'failed' if failed else 'passed'}")
        return (500 if failed else 200), "\n".join(lines) + "\n"

    def report_one(self, endpoint: str, name: str) -> tuple[int, str]:
        """HTTP status and text of ``/endpoint/name``."""
        for check in self.checks(endpoint):
            if check.name == name:
                return (200, "ok") if passes(check) else (500, "internal server error: unhealthy")
        return 404, "404 page not found"


def passes(check: Check) -> bool:
    """Whether ``check`` is healthy; says so in the log when not."""
    try:
        healthy = check.healthy()
    except Exception:  # noqa: BLE001 - a broken check is an unhealthy one, and is logged
        _log.exception("health check %s raised", check.name)
        return False
    if not healthy:
        _log.warning("health check %s failed", check.name)
    return healthy
