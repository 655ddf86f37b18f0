"""The state machine behind the emulated APIs, apart from HTTP.

:class:`EmulatorCore` takes one call through: fault, throttling, access, parameters, client token,
handler, journal. It runs on the clock of its :class:`~cloudprovider.concurrency.Concurrency`, and
may be called from any number of threads.
"""

from __future__ import annotations

import collections
import dataclasses
import fnmatch
import hashlib
import itertools
from collections.abc import Mapping
from typing import Any

import msgspec

from cloudprovider.concurrency import Concurrency, current
from cloudprovider.testing.faults import Fault, FaultPlan
from cloudprovider.toolkit.journal import Journal
from cloudprovider_alicloud.emulator import replies
from cloudprovider_alicloud.emulator.actions import Action, Call
from cloudprovider_alicloud.emulator.catalogue import ACTIONS, find
from cloudprovider_alicloud.emulator.errors import ApiError
from cloudprovider_alicloud.emulator.params import parse
from cloudprovider_alicloud.emulator.replies import Reply
from cloudprovider_alicloud.emulator.resources import ClientToken
from cloudprovider_alicloud.emulator.settings import Settings
from cloudprovider_alicloud.emulator.state import Snapshot, State
from cloudprovider_alicloud.emulator.throttle import Throttle

#: Parameters of the old signing form and of temporary credentials; never journalled.
SECRET_PARAMETERS = frozenset(
    {
        "accesskeyid",
        "signature",
        "signaturemethod",
        "signaturenonce",
        "signatureversion",
        "securitytoken",
        "timestamp",
        "format",
        "version",
        "action",
        "oidctoken",
    }
)


@dataclasses.dataclass(frozen=True)
class Request:
    """One call as it reaches the service."""

    product: str
    action: str
    params: Mapping[str, str]  #: wire names and values
    access_key_id: str = ""
    proc: str = ""  #: who calls, for the journal

    def get(self, name: str) -> str:
        """A parameter by its name, without case."""
        value = self.params.get(name)
        if value is not None:
            return value
        lowered = name.lower()
        return next((v for k, v in self.params.items() if k.lower() == lowered), "")


class EmulatorCore:
    """The emulated cloud.

    Args:
        settings: limits, delays, throttling; may be changed at any time.
        seed: of ids; the same seed and the same calls give the same ids. None: random.
        counter: shared by journals that are to be merged.

    """

    def __init__(
        self,
        *,
        settings: Settings | None = None,
        seed: int | str | None = None,
        counter: itertools.count[int] | None = None,
        concurrency: Concurrency | None = None,
    ) -> None:
        self.concurrency = concurrency or current()
        self.settings = settings or Settings()
        self.state = State(self.concurrency.uuid() if seed is None else str(seed))
        self.journal = Journal(concurrency=self.concurrency, counter=counter)
        self.faults = FaultPlan(concurrency=self.concurrency)
        self.lock = self.concurrency.rlock()
        self._throttle = Throttle()
        self._history: collections.deque[_Version] = collections.deque()
        self._reads = 0

    # -- calling ---------------------------------------------------------------------------

    def call(
        self,
        product: str,
        action: str,
        params: Mapping[str, str],
        *,
        access_key_id: str = "",
        proc: str = "",
    ) -> Reply:
        """Carry out one call; waits for latency and hangs on the clock.

        The answer's ``disruption`` says what the transport still has to do (drop, truncate, …).
        """
        request = Request(product, action, params, access_key_id, proc)
        fault = self.admit(request)
        self.wait(self.latency(fault))
        reply = self.carry_out(request, fault)
        self.wait(reply.delay)
        return reply

    def admit(self, request: Request) -> Fault | None:
        """The fault that this call meets, if any. Counts the call."""
        action = find(request.product, request.action)
        key = request.get(action.key) if action is not None and action.key else ""
        return self.faults.match(request.product, request.action, key)

    def latency(self, fault: Fault | None) -> float:
        """Seconds until a call with ``fault`` is carried out."""
        extra = fault.after if fault is not None and fault.kind == "latency" else 0.0
        return self.settings.latency + extra

    def wait(self, seconds: float) -> None:
        """Sleep on the emulator's clock."""
        if seconds > 0:
            self.concurrency.sleep(seconds)

    def carry_out(self, request: Request, fault: Fault | None = None) -> Reply:
        """Answer ``request`` now, under ``fault``, and write the journal."""
        started = self.concurrency.monotonic()
        with self.lock:
            changes = self.state.changes
            reply = self._under_fault(request, fault)
            effect = self.state.changes != changes
            self._journal(request, reply, fault=fault, effect=effect, started=started)
        return reply

    def refuse(self, request: Request, error: ApiError) -> Reply:
        """Journal and answer a request that did not get past the gateway (signature, …)."""
        with self.lock:
            reply = replies.failure(error, self.state.request_id())
            self._journal(request, reply, started=self.concurrency.monotonic())
        return reply

    def now(self) -> float:
        """POSIX seconds on the cloud's clock."""
        return self.concurrency.now().timestamp() + self.settings.clock_offset

    # -- snapshots -------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """The whole state, for :meth:`restore` of this or another core."""
        with self.lock:
            return self.state.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to ``snapshot``: state and ids. Journal, faults and settings stay."""
        with self.lock:
            self.state.restore(snapshot)
            self._throttle.clear()
            self._history.clear()

    def remember(self) -> None:
        """Keep the present state for lists that lag; called before every change."""
        lag = self.settings.lag
        if lag.seconds > 0 or lag.calls > 0:
            version = _Version(self.concurrency.monotonic(), self._reads, self.state.snapshot())
            self._history.append(version)

    # -- one call --------------------------------------------------------------------------

    def _under_fault(self, request: Request, fault: Fault | None) -> Reply:
        kind = fault.kind if fault is not None else ""
        if fault is None or kind == "latency":
            return self._answer(request)
        if kind in ("not_sent", "crash_before"):
            return Reply(disruption=kind)
        if kind in ("error", "throttle"):
            return replies.failure(_fault_error(fault), self.state.request_id())
        reply = self._answer(request)
        if kind == "duplicate":
            self._answer(request)
        elif kind == "empty":
            reply = replies.emptied(reply)
        elif kind == "hang":
            reply = dataclasses.replace(reply, delay=fault.after)
        else:
            reply = dataclasses.replace(reply, disruption=kind)
        return reply

    def _answer(self, request: Request) -> Reply:
        request_id = self.state.request_id()
        try:
            body = self._handle(request)
        except ApiError as error:
            return replies.failure(error, request_id)
        reply = replies.success(body, request_id)
        return replies.sparse(reply) if self.settings.sparse_replies else reply

    def _handle(self, request: Request) -> dict[str, Any]:
        action = find(request.product, request.action)
        if action is None:
            raise ApiError(
                404,
                "InvalidApi.NotFound",
                "Specified api is not found, please check your url and method.",
            )
        now = self.concurrency.monotonic()
        self._check_access(action, request, now)
        self.state.settle(now)
        call = Call(
            state=self.state,
            settings=self.settings,
            args=parse(action.declared, request.params),
            now=now,
            time=self.now(),
            account=self._account(request.access_key_id),
            access_key_id=request.access_key_id,
        )
        self._check_region(call)
        if not action.write:
            call.state = self._view(action, call, now)
            return action.handler(call)
        self.remember()
        return self._once(action, request, call)

    def _check_access(self, action: Action, request: Request, now: float) -> None:
        region = request.get("RegionId")
        self._throttle.take(
            self.settings.rates,
            f"{action.product}:{action.name}",
            request.access_key_id,
            region,
            now,
        )
        key = self.state.access_keys.get(request.access_key_id)
        name = f"{action.product}:{action.name}"
        if key is not None and any(fnmatch.fnmatchcase(name, p) for p in key.denied):
            raise ApiError(
                403, "Forbidden.RAM", "User not authorized to operate on the specified resource."
            )

    def _account(self, access_key_id: str) -> str:
        key = self.state.access_keys.get(access_key_id)
        return key.account if key is not None else ""

    def _check_region(self, call: Call) -> None:
        if call.region not in self.settings.regions:
            raise ApiError(404, "InvalidRegionId.NotFound", "The specified region does not exist.")

    def _once(self, action: Action, request: Request, call: Call) -> dict[str, Any]:
        token = call.text("ClientToken")
        if not token:
            return action.handler(call)
        key = f"{call.account}/{action.product}/{action.name}/{token}"
        digest = _digest(request.params)
        known = self.state.client_tokens.get(key)
        if known is not None and call.time - known.time < self.settings.client_token_lifetime:
            if known.digest != digest:
                raise _token_conflict(action.product)
            return known.body
        body = action.handler(call)
        self.state.put(ClientToken(id=key, digest=digest, body=body, time=call.time))
        return body

    def _view(self, action: Action, call: Call, now: float) -> State:
        """The state that a read sees: an older one for a list while it lags."""
        lag = self.settings.lag
        if not action.lists or any(call.args.get(name) for name in action.by_id):
            return self.state
        self._reads += 1
        history = self._history
        while (
            history
            and now - history[0].time >= lag.seconds
            and (self._reads - history[0].reads > lag.calls)
        ):
            history.popleft()
        if not history:
            return self.state
        view = State(self.state.seed)
        view.restore(history[0].snapshot)
        return view

    def _journal(
        self,
        request: Request,
        reply: Reply,
        *,
        started: float,
        fault: Fault | None = None,
        effect: bool = False,
    ) -> None:
        action = find(request.product, request.action)
        self.journal.append(
            api=request.product,
            op=request.action,
            key=_main_id(action, request, reply),
            write=action.write if action is not None else False,
            outcome=reply.code or "ok",
            status=reply.status,
            effect=effect,
            args={k: v for k, v in request.params.items() if k.lower() not in SECRET_PARAMETERS},
            pre=request.get("ClientToken"),
            proc=request.proc or request.access_key_id,
            thread=self.concurrency.thread_name(),
            fault=fault.kind if fault is not None else "",
            seconds=self.concurrency.monotonic() - started,
        )


@dataclasses.dataclass(frozen=True)
class _Version:
    """The state as it was until a write at ``time``, after ``reads`` list calls."""

    time: float
    reads: int
    snapshot: Snapshot


def actions() -> tuple[Action, ...]:
    """Every action implemented."""
    return ACTIONS


def _main_id(action: Action | None, request: Request, reply: Reply) -> str:
    if action is None or not action.key:
        return ""
    return request.get(action.key) or str(reply.body.get(action.key, ""))


def _digest(params: Mapping[str, str]) -> str:
    kept = sorted(
        (name, value) for name, value in params.items() if name.lower() not in SECRET_PARAMETERS
    )
    return hashlib.sha256(msgspec.json.encode(kept)).hexdigest()


def _token_conflict(product: str) -> ApiError:
    """The token was used with other parameters (``spec/alicloud.md`` 7.4; others: ECS wording)."""
    code = "LX_REQUEST_TOKEN_CONFLICT" if product == "slb" else "IdempotentParameterMismatch"
    return ApiError(
        400, code, "The ClientToken was used before with other parameters in the request."
    )


def _fault_error(fault: Fault) -> ApiError:
    if fault.kind == "throttle":
        return ApiError(
            fault.status or 400,
            fault.code or "Throttling.User",
            "Request was denied due to user flow control.",
            retry_after=fault.after,
        )
    return ApiError(
        fault.status or (500 if not fault.code else 400),
        fault.code or "InternalError",
        "The request processing has failed due to some unknown error.",
    )
