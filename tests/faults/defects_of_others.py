"""Defects that show when the manager is told to end, a watch breaks, or others have a say."""

from __future__ import annotations

from others import THEIR_CLASS

from cloudprovider.toolkit import fence
from cloudprovider.toolkit.plan import Plan
from cloudprovider_alicloud import service_marks
from cloudprovider_alicloud.clb import deletion, listener_attributes
from cloudprovider_alicloud.clb.diff import Change
from cloudprovider_alicloud.provider import CLB_CLASS, AlicloudProvider
from cloudprovider_controllers.runtime import reflector
from cloudprovider_controllers.runtime.elector import LeaderElector
from cloudprovider_controllers.runtime.errors import ApiError
from cloudprovider_controllers.service import api, controller, decisions, surveyor, sync
from cloudprovider_controllers.service.api import FinalizerLost, ServiceApi
from cloudprovider_manager.app import Manager


def stop_not_heard(patch):
    """Nobody tells the workers of Services that the process is to end."""
    patch.setattr(controller.ServiceController, "_wait_for_stop", lambda self: self._stop.wait())


def lease_kept(patch):
    """A leader that ends leaves its lease to expire."""
    patch.setattr(LeaderElector, "release", lambda self: None)


def lease_given_back_first(patch):
    """The lease is given back while calls are in flight, and more may follow them."""
    drain = Manager._drain

    def early(self, election, loops, deadline):
        election.release(2.0)
        return drain(self, election, loops, deadline)

    patch.setattr(Manager, "_drain", early)
    patch.setattr(Manager, "_may_write", lambda self: True)


def silence_believed(patch):
    """A watch that says nothing, not even a bookmark, is taken for alive."""
    patch.setattr(reflector, "SILENCE", 1e9)


def nonsense_skipped(patch):
    """A line of a watch that cannot be read is left out, and the next one read."""
    event = reflector.Reflector._event

    def lenient(line):
        try:
            return reflector.decode_event(line)
        except reflector.msgspec.DecodeError:
            return None

    patch.setattr(reflector, "_parse", lenient)
    patch.setattr(
        reflector.Reflector,
        "_event",
        lambda self, seen, initial: event(self, seen, initial) if seen else initial,
    )


def refusal_does_not_matter(patch):
    """A finalizer that could not be written is written another time."""
    claim = ServiceApi.claim

    def careless(self, service, *owner):
        try:
            return claim(self, service, *owner)
        except ApiError:
            return service

    patch.setattr(ServiceApi, "claim", careless)


def webhook_not_named(patch):
    """That the API server refused a label is told, but not why."""
    patch.setattr(service_marks, "_message", lambda data: "")


def finalizer_not_looked_for(patch):
    """A write that was taken is believed to have had its effect."""
    claim = ServiceApi.claim

    def trusting(self, service, *owner):
        try:
            return claim(self, service, *owner)
        except FinalizerLost:
            return self.live(service)

    patch.setattr(ServiceApi, "claim", trusting)


def every_class_is_ours(patch):
    """Another controller's class is taken for our own."""
    patch.setattr(AlicloudProvider, "load_balancer_classes", lambda self: (CLB_CLASS, THEIR_CLASS))


def finalizer_means_ours(patch):
    """Whoever carries the finalizer that all managers share is cleaned up."""
    needs_cleanup = decisions.needs_cleanup
    for module in (decisions, controller):
        patch.setattr(module, "needs_cleanup", lambda service, *_: needs_cleanup(service))
    patch.setattr(sync.Syncer, "_owner", lambda self, service: "")


def anothers_status_cleared(patch):
    """The status goes with our load balancer, whoever wrote it."""
    patch.setattr(api, "_differs", lambda _service, _reported: False)


def left_unseen(patch):
    """What a survey finds of a Service that has left is not looked after."""
    patch.setattr(surveyor.Surveyor, "_clean_up_after", lambda *_: {})


def local_check_stays(patch):
    """The health check of policy Local outlives the policy."""
    patch.setattr(listener_attributes, "after_local", lambda wanted, _answered: wanted)


def any_version_will_do(patch):
    """Marks and status are written on whatever the Service has become."""
    patch.setattr(ServiceApi, "_patch_version", ServiceApi._patch)


def looked_at_after_the_write(patch):
    """What the Service has become is looked at once our marks are on it."""
    any_version_will_do(patch)
    claim = ServiceApi.claim

    def late(self, service, *owner):
        found = claim(self, service, *owner)
        if not decisions.wants_load_balancer(found, self._ours):
            raise api.Outdated(f"Service {service.key} wants no load balancer any more")
        return found

    patch.setattr(ServiceApi, "claim", late)


def minds_never_change(patch):
    """A pass deletes what it meant to delete when it began."""
    patch.setattr(fence, "confirm", lambda: None)


def deletion_forgotten(patch):
    """That a load balancer is gone is forgotten if its Service wants one again meanwhile."""
    clean_up = sync.Syncer.clean_up

    def forgetful(self, state, service):
        ensured = state.ensured
        try:
            clean_up(self, state, service)
        except Exception:
            state.ensured = ensured
            raise

    patch.setattr(sync.Syncer, "clean_up", forgetful)


def left_unprotected(patch):
    """The protection that was taken off before a deletion stays off if that is not made."""
    patch.setattr(deletion, "keep", lambda *_args, **_kw: Change(Plan()))


def label_on_whatever_it_is(patch):
    """The id of a new load balancer is written on whatever the Service has become."""
    write = service_marks.ServiceMarks._patch
    patch.setattr(service_marks.ServiceMarks, "_patch", lambda *args: write(*args[:4]))
