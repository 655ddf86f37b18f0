"""Faults of the Kubernetes side that are more than a lost or refused call.

Each is something that a real cluster can show (``spec/reliability.md`` 2.2 and 2.4);
:mod:`kinds` says where each applies, and what others violate by it.
"""

from __future__ import annotations

import msgspec
from cluster import UNINITIALIZED, UNREADABLE
from seams import Refused

from cloudprovider_controllers.runtime.errors import NotFound
from cloudprovider_controllers.runtime.resources import LEASES, NODES, SERVICES
from cloudprovider_controllers.runtime.transport import TransportError

LEASE = "cloud-controller-manager"
_FORGED = {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.66"}]}}}


def stale(world, record, *, count):
    """K1: this read is answered from ``count`` changes of its objects before."""
    namespace, _, name = record.key.rpartition("/")
    storage = record.op.partition(" ")[2].partition("/")[0]
    keys = [(namespace, name)] if name else []
    shown = world.server.tamper(record.proc)
    shown.held_at = world.server.version_before(count, storage, *keys)
    shown.all_reads = True

    def honest():
        shown.held_at, shown.all_reads = None, False

    return honest


def held_back(world, record, *, count):
    """K2: the manager is restarted, against a server that is ``count`` changes behind."""
    version = world.server.version_before(count, "services")
    index = world.managers.index(record.proc)

    def release():
        world.time.kill(record.proc)
        world.start_manager(index)
        shown = world.server.tamper(world.managers[index])
        shown.held_at = version
        world.time.sleep(60)
        shown.held_at = None
        world.server.wake()

    world.act(release)
    world.time.sleep(1)  # killed in here


def unseen(world, record, change):
    """K3: what ``change`` does is never told: the watches are silent, then begin anew."""
    shown = world.server.tamper(record.proc)
    shown.silent = True
    change(world, record)
    world.server.expire_history(running=True)
    shown.silent = False
    world.server.wake()


def gap(world, _record, *, as_status):
    """K5: the watch cache begins anew, and says so in an ERROR event or with HTTP 410."""
    world.server.reads.expired_as_status = as_status
    if as_status:
        world.server.end_watches()
    world.server.expire_history(running=True)


def refuse(world, record, *, status, reason, seconds=0.0, everything=False, op="", headers=None):
    """K7, K9, K18: this call is refused, and those like it for ``seconds``."""
    world.boundary.deny(
        lambda: Refused(status, reason, headers),
        seconds=seconds or 1e-9,
        api="k8s",
        op="" if everything else op or record.op,
    )


def restart(world, _record):
    """K21: the API server restarts: connections break, and for 20 s nobody listens."""
    world.server.end_watches()
    world.server.expire_history()
    world.boundary.deny(
        lambda: TransportError("connection refused", sent=False), seconds=20, api="k8s"
    )


def partition(world, record):
    """K15: this manager, and nobody else, does not reach the API server for three minutes."""
    world.boundary.deny(
        lambda: TransportError("no route to host", sent=False),
        seconds=180,
        api="k8s",
        proc=record.proc,
    )


def rollback(world, record):
    """K14: the API server is restored to right after the last write of a user.

    The manager is restarted, as Kubernetes asks for after a restore: no watch tells what happened.
    """
    world.server.restore(world.history.saved)
    index = world.managers.index(record.proc)

    def again():
        world.time.kill(record.proc)
        world.start_manager(index)

    world.act(again)
    world.time.sleep(1)  # killed in here


def recreate(world, record, *, by_force):
    """K11: the Service is deleted and made again under its name; ``by_force``: at once."""
    service = target(world, record)
    if service is not None:
        make_again(world, service, again(service), by_force=by_force)


def again(service):
    """What a user declares who makes ``service`` anew."""
    meta, spec = service["metadata"], service["spec"]
    return {
        "metadata": {"name": meta["name"], "annotations": meta.get("annotations") or {}},
        "spec": {
            name: spec[name]
            for name in ("type", "selector", "ports", "externalTrafficPolicy")
            if name in spec
        },
    }


def make_again(world, service, made, *, by_force):
    """Delete ``service`` and make ``made`` under its name."""
    meta = service["metadata"]
    world.client.delete(SERVICES, meta["name"], namespace=meta["namespace"])
    if by_force:
        strip_finalizers(world, service)
        world.client.create(SERVICES, made, meta["namespace"])
        return

    def later():
        world.wait_until_gone(name=meta["name"])
        world.client.create(SERVICES, made, meta["namespace"])

    world.act(later)


def terminate(world, record, *, restarted_after=0.0):
    """P3: SIGTERM, in mid-call: it is on its way for two more seconds."""
    process = record.proc
    index = world.managers.index(process)
    world.ask_to_end(process)
    world.held.add(index)

    def later():
        while world.time.threads(process):
            world.time.sleep(1)
        world.time.sleep(restarted_after)
        world.held.discard(index)

    world.act(later)
    world.time.sleep(2)


def target(world, record):
    """The Service that a call is about, else the first; None if there is none to disturb."""
    found = []
    for entry in world.server.store.table("services").entries():
        service = msgspec.json.decode(entry.data)
        meta = service["metadata"]
        skip = meta.get("deletionTimestamp") or meta["name"] in {"kubernetes", UNREADABLE}
        if not skip and "/".join(entry.key) == record.key:
            return service
        if not skip:
            found.append(service)
    return found[0] if found else None


def strip_finalizers(world, service):
    """Somebody removes all finalizers by hand."""
    patch_service(world, service, {"metadata": {"finalizers": None}})


def patch_service(world, service, body, *, subresource=""):
    meta = service["metadata"]
    try:
        world.client.patch(
            SERVICES,
            meta["name"],
            body,
            namespace=meta["namespace"],
            patch_type="merge",
            subresource=subresource,
        )
    except NotFound:
        return  # it was the last thing that kept it


def edit_service(world, record, *, body, subresource=""):
    """K10, K13: somebody changes a field of ours on the Service."""
    service = target(world, record)
    if service is not None:
        patch_service(world, service, body, subresource=subresource)


def mind_changed(world, record):
    """K10: the user takes back the last change of a Service; the call is on its way for 5 s."""
    service = target(world, record)
    before = world.history.asked_before(service["metadata"]["uid"]) if service else None
    if before is not None:
        patch_service(world, service, {"spec": before})
        world.history.mind_changed(service["metadata"]["uid"], before)
        world.time.sleep(5)


def forge_status(world, record):
    """K13: somebody writes a stranger's address over ours.

    Before there is ours the provider takes it for a load balancer that it cannot find, and refuses.
    """
    service = target(world, record)
    if service is not None and service["status"]["loadBalancer"].get("ingress"):
        patch_service(world, service, _FORGED, subresource="status")


def add_finalizer(world, record):
    """K10: another controller keeps the Service for a quarter of an hour."""
    service = target(world, record)
    if service is None:
        return
    theirs = "example.com/theirs"
    kept = [*(service["metadata"].get("finalizers") or ()), theirs]
    patch_service(world, service, {"metadata": {"finalizers": kept}})

    def later():
        world.time.sleep(900)
        key = (service["metadata"]["namespace"], service["metadata"]["name"])
        entry = world.server.store.get("services", key)
        if entry is None:
            return
        live = msgspec.json.decode(entry.data)
        rest = [f for f in live["metadata"].get("finalizers") or () if f != theirs]
        patch_service(world, live, {"metadata": {"finalizers": rest or None}})

    world.act(later)


def node_of(world, record):
    """The name of the Node that a call is about, else the first; empty if there is none."""
    names = sorted(world.instances)
    return record.key if record.key in names else (names[0] if names else "")


def taint_again(world, record):
    """K13, K22: a kubelet says again that its node is not initialised."""
    name = node_of(world, record)
    if name:
        body = {"spec": {"taints": [UNINITIALIZED]}}
        world.client.patch(NODES, name, body, patch_type="merge")


def register_again(world, record, *, provider_id=""):
    """K22: the Node is deleted and its kubelet makes it again.

    With ``provider_id`` it says at first that it belongs to another cloud. That of an instance that
    was stopped makes nothing.
    """
    name = node_of(world, record)
    if not name or name in world.stopped:
        return
    world.unsteady(name)
    own = f"{world.cloud.region}.{world.instances[name].id}"
    world.client.delete(NODES, name)
    world.register(name, provider_id or own)
    if provider_id:

        def later():
            world.time.sleep(120)
            world.unsteady(name)
            world.client.delete(NODES, name)
            world.register(name, own)

        world.act(later)


def twin(world, record):
    """K22: a second Node has the provider id of the first, for ten minutes."""
    name = node_of(world, record)
    if not name:
        return
    world.register("node-twin", f"{world.cloud.region}.{world.instances[name].id}")

    def later():
        world.time.sleep(600)
        world.client.delete(NODES, "node-twin")

    world.act(later)


def flip_label(world, record):
    """K3: a node is taken out of the load balancers, and back at once."""
    name = node_of(world, record)
    if name and name not in world.excluded:
        world.exclude(name)
        world.include(name)


def unreadable(world, _record):
    """K20: objects appear that do not fit their type."""
    strategies = {"services": ("default", UNREADABLE), "nodes": ("", UNREADABLE)}
    for storage, key in strategies.items():
        meta = {"name": UNREADABLE, "uid": f"uid-{storage}"}
        if key[0]:
            meta["namespace"] = key[0]
        kind = {"services": "Service", "nodes": "Node"}[storage]
        broken = {"kind": kind, "apiVersion": "v1", "metadata": meta, "spec": "nonsense"}
        world.server.store.put(storage, key, broken, None)


def clock(world, record, *, seconds):
    """K16: the wall clock jumps."""
    world.time.skew(record.proc, seconds)


def suspend(world, record):
    """K16: the manager's machine is suspended for two minutes, in mid-call."""
    world.time.suspend(record.proc, 120)
    world.act(lambda: world.time.sleep(125))
    world.time.sleep(0)


def lease(world, _record, *, spec):
    """K17: somebody edits the lock, or (None) deletes it."""
    if spec is None:
        world.client.delete(LEASES, LEASE, namespace="kube-system")
        return
    world.client.patch(LEASES, LEASE, {"spec": spec}, namespace="kube-system", patch_type="merge")


def hidden(world, record):
    """K3: the event is never told; instead the watch says 410, and its reader lists."""
    world.server.expire_history(record.op.partition(" ")[2], running=True)
