"""The emulator without HTTP: a ``Caller`` for tests, on whatever clock they run.

It takes the place of ``SdkCaller`` below
:class:`~cloudprovider_alicloud.api.client.CloudApi` and shows the same failures: a refusal with a
code, an answer that never comes, a connection that was never made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cloudprovider.testing.faults import Fault
from cloudprovider_alicloud.emulator.core import EmulatorCore, Request
from cloudprovider_alicloud.emulator.params import flatten
from cloudprovider_alicloud.emulator.replies import Reply
from cloudprovider_alicloud.emulator.world import ACCESS_KEY_ID


class EmulatorCaller:
    """Calls an :class:`EmulatorCore` in the calling thread.

    Args:
        core: the emulated cloud.
        access_key_id: who calls; its policy applies.
        proc: name of the calling process in the journal.
        on_crash: carries out ``crash_before`` and ``crash_after``: it kills the calling process
            and does not return. Without it both look like a lost connection.

    """

    def __init__(
        self,
        core: EmulatorCore,
        *,
        access_key_id: str = ACCESS_KEY_ID,
        proc: str = "",
        on_crash: Callable[[], None] | None = None,
    ) -> None:
        self.core = core
        self._access_key_id = access_key_id
        self._proc = proc
        self._on_crash = on_crash

    def call(
        self,
        product: str,
        action: str,
        params: Mapping[str, object],
        *,
        read_timeout: float = 20.0,
    ) -> dict[str, Any]:
        """The answer's body.

        Raises:
            CallFailed: refused, dropped, or not answered within ``read_timeout`` seconds.

        """
        request = Request(product, action, flatten(params), self._access_key_id, self._proc)
        fault = self.core.admit(request)
        latency = self.core.latency(fault)
        if latency > read_timeout:
            self._carry_out_late(request, fault, latency)
            self.core.wait(read_timeout)
            raise _failed("read timed out", sent="unknown")
        self.core.wait(latency)
        return self._answer(self.core.carry_out(request, fault), read_timeout - latency)

    def _carry_out_late(self, request: Request, fault: Fault | None, latency: float) -> None:
        """The service goes on with a request whose caller has given up."""

        def run() -> None:
            self.core.wait(latency)
            self.core.carry_out(request, fault)

        self.core.concurrency.start_thread(run, name=f"late-{request.action}")

    def _answer(self, reply: Reply, patience: float) -> dict[str, Any]:
        if reply.delay > patience:
            self.core.wait(patience)
            raise _failed("read timed out", sent="unknown")
        self.core.wait(reply.delay)
        if reply.disruption:
            self._disrupt(reply.disruption)
        if reply.status >= 400:
            raise _refused(reply)
        return dict(reply.body)

    def _disrupt(self, disruption: str) -> None:
        if disruption in ("crash_before", "crash_after") and self._on_crash is not None:
            self._on_crash()
        if disruption in ("not_sent", "crash_before"):
            raise _failed("connection refused", sent="no")
        raise _failed(f"connection broken: {disruption}", sent="unknown")


def _refused(reply: Reply) -> Exception:
    retry_after = reply.headers.get("x-acs-retry-after")
    return _failed(
        str(reply.body.get("Message", "")),
        code=reply.code,
        http_status=reply.status,
        request_id=reply.request_id,
        sent="answered",
        retry_after=None if retry_after is None else int(retry_after) / 1000,
    )


def _failed(message: str, **fields: Any) -> Exception:
    # Imported late: the core and the HTTP side work without the provider's adapter.
    from cloudprovider_alicloud.api.caller import CallFailed

    defaults: dict[str, Any] = {
        "code": "",
        "http_status": 0,
        "request_id": "",
        "retry_after": None,
    }
    return CallFailed(message=message, **{**defaults, **fields})
