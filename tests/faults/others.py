"""Others who have a say in Services: admission webhooks, and controllers of other classes.

K12 and K19 of ``spec/reliability.md`` 2.2. Both are part of a cluster, beside our manager.
"""

from __future__ import annotations

import msgspec
from disturbances import again, make_again, patch_service, target
from seams import Refused

from cloudprovider_alicloud.provider import CLB_CLASS
from cloudprovider_controllers.service.decisions import CLEANUP_FINALIZER

#: Seconds for which a webhook stands in the way.
IN_THE_WAY = 600.0
WEBHOOK = 'admission webhook "guard.example.com" denied the request: not before Monday'
THEIR_CLASS = "example.com/other"
THEIR_ADDRESS = "203.0.113.77"
_THEIR_STATUS = {"status": {"loadBalancer": {"ingress": [{"ip": THEIR_ADDRESS}]}}}


class Admission:
    """What webhooks do to the manager's writes on Services; nothing until :meth:`begin`."""

    def __init__(self, world):
        self._world = world
        self._until = 0.0
        self._answer = None  #: (status, reason) of a refusal; None: our finalizer is taken out

    def begin(self, answer):
        """Stand in the way from now on, for a while."""
        self._answer, self._until = answer, self._world.time.elapsed() + IN_THE_WAY

    def review(self, op, key, body):
        """``body`` as it is carried out. Raises Refused where it is not."""
        if self._world.time.elapsed() >= self._until or not op.startswith("PATCH services"):
            return body
        if self._answer is not None:
            self._must_be_heard(key, WEBHOOK)
            raise Refused(*self._answer, message=WEBHOOK)
        patch = msgspec.json.decode(body)
        if not self._adds_finalizer(key, patch):
            return body
        self._must_be_heard(key, CLEANUP_FINALIZER)
        for name in ("finalizers", "$setElementOrder/finalizers"):
            kept = [item for item in patch["metadata"].pop(name, ()) if item != CLEANUP_FINALIZER]
            if kept:
                patch["metadata"][name] = kept
        return msgspec.json.encode(patch)

    def _adds_finalizer(self, key, patch):
        """Whether the live Service lacks it; taking it from one that has it were another fault."""
        service = self._live("services", key)
        there = (service or {"metadata": {}})["metadata"].get("finalizers") or ()
        wanted = patch.get("metadata", {}).get("finalizers") or ()
        return CLEANUP_FINALIZER in wanted and CLEANUP_FINALIZER not in there

    def _must_be_heard(self, key, text):
        """The user has to be told; in a namespace that is going no event can be."""
        namespace = self._live("namespaces", f"/{key.partition('/')[0]}")
        service = self._live("services", key)
        if service is not None and not namespace["metadata"].get("deletionTimestamp"):
            self._world.history.to_be_heard[service["metadata"]["uid"]] = text

    def _live(self, storage, key):
        entry = self._world.server.store.get(storage, tuple(key.split("/")))
        return None if entry is None else msgspec.json.decode(entry.data)


def admission(world, _record, *, status, reason):
    """K19: a webhook refuses whatever the manager writes on Services, for ten minutes."""
    world.admission.begin((status, reason))


def admission_strips(world, _record):
    """K19: a webhook takes our finalizer out of patches that add it, for ten minutes."""
    world.admission.begin(None)


def change_class(world, record, *, class_name, by_force=False):
    """K12: the Service is deleted and made again under its name with a class.

    Whose class it is serves it, and with the finalizer that all managers share.
    """
    service = target(world, record)
    if service is None:
        return
    made = again(service)
    if made["spec"]["type"] == "LoadBalancer":
        made["spec"]["loadBalancerClass"] = class_name
    serve_elsewhere(world, class_name, service["metadata"]["name"])
    make_again(world, service, made, by_force=by_force)
    if class_name != CLB_CLASS and made["spec"].get("loadBalancerClass"):
        world.act(lambda: _until_served(world))


def _until_served(world):
    """Whoever serves what is not ours needs a moment."""
    for _ in range(720):
        world.time.sleep(5)
        if world.elsewhere:
            return


def class_at_type_change(world, record, *, class_name):
    """K12: the Service has another type for a moment, and then a class: it may be set only so."""
    service = target(world, record)
    if service is None or service["spec"]["type"] != "LoadBalancer":
        return
    if class_name == THEIR_CLASS:
        world.history.due.pop(service["metadata"]["name"], None)
    patch_service(world, service, {"spec": {"type": "ClusterIP"}})
    spec = {"type": "LoadBalancer", "loadBalancerClass": class_name}
    patch_service(world, service, {"spec": spec})


def taken_at_type_change(world, record):
    """K12: the same, and whose class it is serves it at once, before our load balancer is gone."""
    service = target(world, record)
    if service is not None and service["spec"]["type"] == "LoadBalancer":
        serve_elsewhere(world, THEIR_CLASS, service["metadata"]["name"])
        class_at_type_change(world, record, class_name=THEIR_CLASS)
        _serve_all(world, THEIR_CLASS)


def taken_while_down(world, record):
    """K12: the same, while no manager runs; the next one knows nothing of it."""
    service = target(world, record)
    owners = {balancer.owner_uid for balancer in world.view().balancers}
    if service is not None and service["metadata"]["uid"] in owners:
        taken_at_type_change(world, record)
        world.time.kill(world.time.process())


def wiped(world):
    """What another controller wrote into the status of its Services, and is not there any more."""
    found = []
    for entry in world.server.store.table("services").entries():
        service = msgspec.json.decode(entry.data)
        meta, status = service["metadata"], service.get("status", {})
        theirs = meta["uid"] in world.elsewhere and service["spec"] != "nonsense"
        wants = theirs and service["spec"].get("loadBalancerClass") == THEIR_CLASS
        shown = [item["ip"] for item in status.get("loadBalancer", {}).get("ingress") or ()]
        if wants and shown != [THEIR_ADDRESS]:
            found.append(f"O1: the status of {meta['name']} shows {shown}, not what others wrote")
    return found


def serve_elsewhere(world, class_name, name):
    """Another controller begins to serve the Services of its class."""
    if class_name == CLB_CLASS:
        return
    world.history.due.pop(name, None)  # what is wrong with it is not ours to say

    changed = world.time.event()
    changed.set()

    def listen(storage, _change):
        if storage == "services":
            changed.set()

    def run():
        while True:
            changed.wait()
            world.time.sleep(1)
            changed.clear()
            _serve_all(world, class_name)

    world.server.store.listen(listen)
    world.time.start_process(run, process="other-controller")


def _serve_all(world, class_name):
    for entry in world.server.store.table("services").entries():
        _serve(world, msgspec.json.decode(entry.data), class_name)


def _serve(world, service, class_name):
    """One look of another controller at one Service."""
    meta, spec = service["metadata"], service["spec"]
    theirs = meta["uid"] in world.elsewhere
    wants = spec != "nonsense" and spec.get("loadBalancerClass") == class_name
    if wants and not meta.get("deletionTimestamp"):
        if not theirs:
            world.elsewhere |= {meta["uid"]}
            finalizers = [*(meta.get("finalizers") or ()), CLEANUP_FINALIZER]
            patch_service(world, service, {"metadata": {"finalizers": sorted(set(finalizers))}})
            patch_service(world, service, _THEIR_STATUS, subresource="status")
    elif theirs:
        rest = [item for item in meta.get("finalizers") or () if item != CLEANUP_FINALIZER]
        cleared = {"status": {"loadBalancer": {"ingress": None}}}
        patch_service(world, service, cleared, subresource="status")
        patch_service(world, service, {"metadata": {"finalizers": rest or None}})
        world.elsewhere -= {meta["uid"]}
