"""Carry out the kinds of :mod:`cloudprovider.testing.faults` around one request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudprovider.testing.faults import Fault
from cloudprovider_sandbox.apiserver import status
from cloudprovider_sandbox.apiserver.messages import Reply, Request
from cloudprovider_sandbox.apiserver.routes import Route

if TYPE_CHECKING:
    from cloudprovider_sandbox.apiserver.server import ApiServer

MALFORMED = b'{"kind":"Service","metadata":{"name":'


def carry_out(fault: Fault | None, server: ApiServer, route: Route, request: Request) -> Reply:
    """The reply to ``request`` with ``fault`` applied."""
    from cloudprovider_sandbox.apiserver.server import refusal  # import cycle

    if fault is None:
        return server.answer(route, request)
    if fault.kind == "error":
        return refusal(status.scripted(fault.status or 500, fault.code))
    if fault.kind == "throttle":
        after = max(1, round(fault.after))
        return refusal(status.scripted(fault.status or 429, fault.code, after))
    if fault.kind in {"not_sent", "crash_before"}:
        return Reply(0, delivery="not_sent")
    if fault.kind == "latency":
        server.concurrency.sleep(fault.after)
    if fault.kind == "empty":
        return _empty(server, route, request)
    reply = server.answer(route, request)
    return _after(fault, server, route, request, reply)


def _empty(server: ApiServer, route: Route, request: Request) -> Reply:
    from cloudprovider_sandbox.apiserver.server import refusal  # import cycle

    if route.verb == "get" and route.resource is not None:
        return refusal(status.not_found(route.resource, route.name))
    if route.verb != "list" or route.resource is None:
        return server.answer(route, request)
    group_version = route.resource.group_version
    body = (
        f'{{"kind":"{route.resource.kind}List","apiVersion":"{group_version}",'
        f'"metadata":{{"resourceVersion":"{server.store.version}"}},"items":[]}}'
    )
    return Reply(200, body.encode())


def _after(fault: Fault, server: ApiServer, route: Route, request: Request, reply: Reply) -> Reply:
    if fault.kind in {"lost_answer", "crash_after"}:
        reply.delivery = "lost"
    elif fault.kind == "truncated":
        reply.delivery = "truncated"
    elif fault.kind == "malformed":
        reply.body = MALFORMED
    elif fault.kind == "duplicate" and route.write:
        again = server.answer(route, request)
        reply.effect = reply.effect or again.effect
    elif fault.kind == "hang":
        server.concurrency.sleep(fault.after)
    if reply.stream is not None and reply.delivery == "lost":
        reply.stream.close()
    return reply
