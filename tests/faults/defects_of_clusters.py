"""Defects that only show when Kubernetes, or another, misbehaves; for :mod:`mutants`."""

from __future__ import annotations

import dataclasses

import msgspec

from cloudprovider.models import LoadBalancerStatus
from cloudprovider_alicloud import service_marks
from cloudprovider_alicloud.clb import diff, observe
from cloudprovider_controllers.nodelifecycle import answers
from cloudprovider_controllers.nodelifecycle.answers import Verdict
from cloudprovider_controllers.runtime import lease as leases
from cloudprovider_controllers.runtime import reflector
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.codec import decode_object
from cloudprovider_controllers.runtime.correlator import Correlator
from cloudprovider_controllers.runtime.elector import LeaderElector
from cloudprovider_controllers.runtime.informer import Informer
from cloudprovider_controllers.runtime.limiters import ExponentialLimiter
from cloudprovider_controllers.service import controller
from cloudprovider_controllers.service import events as service_events
from cloudprovider_controllers.service.api import ServiceApi
from cloudprovider_controllers.service.decisions import has_finalizer
from cloudprovider_controllers.service.sync import Syncer
from cloudprovider_manager.app import Manager


def cache_is_enough(patch):
    """A finalizer in the cache proves that the Service still exists."""
    claim = Syncer._claim

    def trusting(self, state, service):
        state.proven = state.proven or has_finalizer(service)
        return claim(self, state, service)

    patch.setattr(Syncer, "_claim", trusting)


def service_uid_not_sent(patch):
    """A Service is patched whichever it is by now."""
    send = ServiceApi._patch

    def careless(self, service, body):
        meta = msgspec.structs.replace(service.metadata, uid=None)
        return send(self, msgspec.structs.replace(service, metadata=meta), body)

    patch.setattr(ServiceApi, "_patch", careless)


def node_uid_not_sent(patch):
    """A Node is deleted whichever it is by now."""
    delete = Client.delete

    def careless(self, resource, name, **options):
        return delete(self, resource, name, namespace=options.get("namespace", ""))

    patch.setattr(Client, "delete", careless)


def one_miss_is_enough(patch):
    """A Node is deleted when the cloud has once not found its instance."""
    learn = answers.Known.learn

    def hasty(self, outcome, **times):
        known = learn(self, outcome, **times)
        return dataclasses.replace(known, confirmed=known.verdict is Verdict.MISSING)

    patch.setattr(answers.Known, "learn", hasty)


def lease_not_asked(patch):
    """Whether the lease is still held is asked only at the start."""
    patch.setattr(Manager, "_may_write", lambda self: True)
    patch.setattr(LeaderElector, "_watch_deadline", lambda self: None)


def suspension_not_noticed(patch):
    """Only the monotonic clock says how old a lease is."""

    def monotonic(self):
        return self._leading and self._concurrency.monotonic() < self._valid_until

    patch.setattr(LeaderElector, "is_leader", monotonic)


def backends_removed_first(patch):
    """All backends are removed, then those wanted are added."""
    actions = diff.member_actions

    def blunt(wanted, found, owner, *, keep_weights):
        planned = actions(wanted, found, owner, keep_weights=keep_weights)
        if not planned or not found.backends:
            return planned
        none = dataclasses.replace(wanted, backends=())
        empty = dataclasses.replace(found, backends=())
        first = actions(none, found, owner, keep_weights=keep_weights)
        then = actions(wanted, empty, owner, keep_weights=keep_weights)
        after = tuple(action.key for action in first)
        return [*first, *(dataclasses.replace(action, after=after) for action in then)]

    patch.setattr(diff, "member_actions", blunt)


def expiry_ignored(patch):
    """A watch that is told 410 goes on from the same version."""
    patch.setattr(reflector, "_relist", lambda error: False)
    patch.setattr(reflector, "_curable", lambda error: False)


def only_additions_are_relisted(patch):
    """What a new list lacks is not taken for deleted."""

    def partial(self, snapshot):
        initial = not self._synced.is_set()
        with self._delivery:
            for obj in snapshot.objects.values():
                self._put(obj, initial=initial)
            self._synced.set()

    patch.setattr(Informer, "replace", partial)


def one_unreadable_stops_all(patch):
    """An object that cannot be decoded costs the whole list."""

    def strict(self, data, _head):
        return decode_object(self._resource, data)

    patch.setattr(reflector.Reflector, "_decode", strict)


def no_back_off(patch):
    """What failed is tried again at once."""
    patch.setattr(ExponentialLimiter, "when", lambda self, key: 0.1)


def an_event_each_time(patch):
    """Every failure is an event of its own."""
    decide = Correlator.decide

    def forgetful(self, subject, message, *, now, timestamp):
        decision = decide(self, subject, message, now=now, timestamp=timestamp)
        decision.series.name = ""
        return dataclasses.replace(decision, verdict="create")

    patch.setattr(Correlator, "decide", forgetful)
    patch.setattr(service_events, "_LASTING", ())


def groups_listed_once(patch):
    """The server groups that were there at the first look are all that there are."""
    patch.setattr(observe, "BELIEVED", float("inf"))


def told_once_for_ever(patch):
    """What a user was told once is never told again, heard or not."""
    patch.setattr(service_events, "REMIND", float("inf"))


def status_by_name(patch):
    """The address that a Service of this name once had is told for ever."""
    ensure = Syncer._ensure_in_cloud
    known = {}

    def remembered(self, state, service, nodes):
        again = ensure(self, state, service, nodes)
        state.status = known.setdefault(service.key, state.status)
        return again

    patch.setattr(Syncer, "_ensure_in_cloud", remembered)


def deletion_by_the_cache(patch):
    """Whether a load balancer is to go is decided on what the cache says."""
    patch.setattr(ServiceApi, "live", lambda self, service: service)


def edits_not_noticed(patch):
    """Nobody looks at what others do to our fields."""
    patch.setattr(controller.ServiceController, "_was_tampered_with", lambda *_args: False)


def edits_in_a_pass_ignored(patch):
    """What others do to our fields while the Service is worked on is not noticed."""
    notice = controller.ServiceController._was_tampered_with

    def between(self, service):
        state = self._states.get(service.key)
        return state is not None and state.ensured is not None and notice(self, service)

    patch.setattr(controller.ServiceController, "_was_tampered_with", between)


def namesake_is_a_failure(patch):
    """A label that is refused because of the UID is an error like any other."""
    patch.setattr(service_marks, "_is_another", lambda *_args: False)


def lease_garbage_believed(patch):
    """A record may say for how long it is valid, whatever that is."""
    patch.setattr(leases.Record, "lifetime", lambda self, default: self.duration or default)


def one_fails_all_fail(patch):
    """A Service that fails has all others looked at as if they were new."""
    reconcile = controller.ServiceController.reconcile

    def together(self, key):
        try:
            return reconcile(self, key)
        except Exception:
            for other, state in self._states.items():
                if other != key and state.ensured is not None:
                    self._api.report(state.service, LoadBalancerStatus())
            raise

    patch.setattr(controller.ServiceController, "reconcile", together)
