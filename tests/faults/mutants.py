"""Our code with one defect each, of the kinds met in other managers (``spec/reliability.md`` 3.10).

A mutant is a name, what it changes, the oracle that must see it, the scenario and the kind of fault
under which it does (None: without any fault).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable

import msgspec
import pytest

from cloudprovider.errors import CloudProviderError, ResourceNotFound
from cloudprovider.models import LoadBalancerStatus
from cloudprovider_alicloud.api.slb import SlbApi
from cloudprovider_alicloud.clb import diff, names, observe
from cloudprovider_alicloud.clb.inventory import Inventory
from cloudprovider_alicloud.clb.load_balancer import ClbLoadBalancer
from cloudprovider_alicloud.clb.locate import Locator, Subject
from cloudprovider_alicloud.clb.observe import Observer
from cloudprovider_alicloud.service_marks import ServiceMarks
from cloudprovider_controllers.nodelifecycle import answers
from cloudprovider_controllers.nodelifecycle import controller as lifecycle
from cloudprovider_controllers.nodelifecycle.answers import Verdict
from cloudprovider_controllers.nodelifecycle.decisions import Choice
from cloudprovider_controllers.runtime import lease as leases
from cloudprovider_controllers.runtime import reflector
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.codec import decode_object
from cloudprovider_controllers.runtime.correlator import Correlator
from cloudprovider_controllers.runtime.elector import LeaderElector
from cloudprovider_controllers.runtime.informer import Informer
from cloudprovider_controllers.runtime.limiters import ExponentialLimiter
from cloudprovider_controllers.service import controller, decisions
from cloudprovider_controllers.service import events as service_events
from cloudprovider_controllers.service.api import ServiceApi
from cloudprovider_controllers.service.sync import Syncer
from cloudprovider_manager.app import Manager


@dataclasses.dataclass(frozen=True)
class Mutant:
    name: str
    apply: Callable[[pytest.MonkeyPatch], None]
    oracle: str
    scenario: int
    kind: str | None = None
    managers: int = 1
    at: str = ""  #: only at calls of this operation


def finalizer_after_create(patch):
    """The finalizer is written once the load balancer is there."""
    ensure, claim = Syncer._ensure_in_cloud, ServiceApi.claim

    def late(self, state, service, nodes):
        again = ensure(self, state, service, nodes)
        claim(self.api, service)
        return again

    patch.setattr(ServiceApi, "claim", lambda self, service: service)
    patch.setattr(Syncer, "_ensure_in_cloud", late)


def finalizer_removed_first(patch):
    """The finalizer goes before the load balancer."""
    delete = Syncer._delete

    def early(self, service):
        self.api.release(service)
        delete(self, service)

    patch.setattr(Syncer, "_delete", early)


def tags_after_create(patch):
    """Tags are written after the create call, whose client token is drawn each time."""
    create, numbers = SlbApi.create_load_balancer, itertools.count()

    def bare(self, params, *, token):
        bare = {name: value for name, value in params.items() if name != "Tag"}
        created = create(self, bare, token=f"{token}-{next(numbers)}")
        self.tag(created.id, {tag["Key"]: tag["Value"] for tag in params["Tag"]})
        return created

    patch.setattr(SlbApi, "create_load_balancer", bare)


def token_drawn(patch):
    """A new client token for every attempt, and creation is not looked for first."""
    numbers = itertools.count()
    patch.setattr(names, "client_token", lambda *_args: f"token-{next(numbers)}")
    patch.setattr(Inventory, "by_owner", lambda *_args: ())
    patch.setattr(Locator, "_untagged", lambda *_args: None)


def delete_errors_ignored(patch):
    """A delete that failed counts as done."""
    delete = Syncer._delete

    def careless(self, service):
        try:
            delete(self, service)
        except Exception:  # noqa: BLE001 - the defect
            return

    patch.setattr(Syncer, "_delete", careless)


def error_is_absence(patch):
    """Whatever goes wrong while asking for a load balancer by its id: it is gone."""
    by_id = Inventory.by_id

    def hopeful(self, balancer_id, look):
        try:
            return by_id(self, balancer_id, look)
        except CloudProviderError as error:
            raise ResourceNotFound("gone") from error

    patch.setattr(Inventory, "by_id", hopeful)


def group_assumed_filled(patch):
    """A server group that exists is taken to have the right members."""
    patch.setattr(diff, "member_actions", lambda *_args, **_kw: [])


def old_listener_kept(patch):
    """The listener of a port that the Service dropped stays."""
    patch.setattr(diff._Diff, "_delete_listeners", lambda self: None)


def listener_not_started(patch):
    """A listener that exists is taken to be running."""
    listener = diff._Diff._listener

    def trusting(self, wanted):
        before = len(self._actions)
        listener(self, wanted)
        if (wanted.protocol, wanted.port) in self._found:
            kept = [a for a in self._actions[before:] if a.kind != "start"]
            self._actions[before:] = kept

    patch.setattr(diff._Diff, "_listener", trusting)


def writes_every_pass(patch):
    """Weights are set again in every pass."""
    patch.setattr(diff, "_differs", lambda *_args: True)


def any_balancer_is_mine(patch):
    """A load balancer is found without asking whose it is."""
    by_owner = Inventory.by_owner

    def greedy(self, name, look):
        found = by_owner(self, name, look)
        return found or self._api.describe_load_balancers(tags={})[0][:1]

    patch.setattr(Inventory, "by_owner", greedy)
    patch.setattr(Subject, "owns", lambda self, balancer: True)


def empty_list_believed(patch):
    """Server groups are never looked for, so a crash after creating one makes a second."""
    patch.setattr(Observer, "groups", lambda *_args: ())


def node_changes_ignored(patch):
    """No node change concerns any Service."""
    patch.setattr(ClbLoadBalancer, "backend_nodes_changed", lambda *_args: False)


def ports_not_compared(patch):
    """A change of ports is no reason to look at a Service."""
    patch_everywhere(patch, "needs_update", lambda old, new: _type(old) != _type(new))


def type_change_ignored(patch):
    """Only a deleted Service is cleaned up."""
    patch_everywhere(
        patch, "needs_cleanup", lambda service: service.metadata.deletion_timestamp is not None
    )
    patch_everywhere(patch, "wants_load_balancer", lambda service: True)


def status_forgotten(patch):
    """The address is written only by the process that created the load balancer."""
    report = Syncer.patch_status

    def forgetful(self, state, service):
        if decisions.has_finalizer(state.service):
            return
        report(self, state, service)

    patch.setattr(Syncer, "patch_status", forgetful)


def node_errors_are_absence(patch):
    """Whatever goes wrong while asking about an instance: it is gone."""
    verdict = answers.verdict

    def hopeful(outcome):
        said = verdict(outcome)
        return Verdict.MISSING if said is Verdict.NONE else said

    patch.setattr(answers, "verdict", hopeful)


def nodes_kept_for_ever(patch):
    """A Node stays, whatever became of its instance."""
    patch.setattr(lifecycle, "choose", lambda *_args, **_kw: Choice((), waiting=0, paused=False))


# -- defects that only show when Kubernetes, or another, misbehaves --------------------------------


def cache_is_enough(patch):
    """Nothing asks the API server whether the Service of the cache still exists."""
    patch.setattr(ServiceApi, "claim", lambda self, service: service)


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
    patch.setattr(ServiceMarks, "_is_another", lambda *_args: False)


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


def _type(service):
    return service.spec.type


def patch_everywhere(patch, name, value):
    """A function is also known where it was imported."""
    from cloudprovider_controllers.service import api, nodes, state, sync

    for module in (decisions, controller, api, nodes, state, sync):
        if hasattr(module, name):
            patch.setattr(module, name, value)


STATUS = "PATCH services/status"

ALL = [
    Mutant("finalizer-after-create", finalizer_after_create, "O3", 1),
    Mutant("finalizer-removed-first", finalizer_removed_first, "O3", 1),
    Mutant("tags-after-create", tags_after_create, "O10", 1, "crash_after"),
    Mutant("token-drawn", token_drawn, "O2", 1, "crash_after"),
    Mutant("delete-errors-ignored", delete_errors_ignored, "O3", 1, "outage"),
    Mutant("error-is-absence", error_is_absence, "O3", 1, "outage"),
    Mutant("group-assumed-filled", group_assumed_filled, "O7", 17),
    Mutant("old-listener-kept", old_listener_kept, "O7", 2),
    Mutant("listener-not-started", listener_not_started, "O7", 1, "crash_after"),
    Mutant("writes-every-pass", writes_every_pass, "O8", 2),
    Mutant("any-balancer-is-mine", any_balancer_is_mine, "O1", 1),
    Mutant("empty-list-believed", empty_list_believed, "O7", 1, "crash_after"),
    Mutant("node-changes-ignored", node_changes_ignored, "O7", 17),
    Mutant("ports-not-compared", ports_not_compared, "O7", 2),
    Mutant("type-change-ignored", type_change_ignored, "O7", 4),
    Mutant("status-forgotten", status_forgotten, "O7", 1, "crash_after"),
    Mutant("node-errors-are-absence", node_errors_are_absence, "O6", 19, "outage"),
    Mutant("nodes-kept-for-ever", nodes_kept_for_ever, "O7", 19),
    Mutant("cache-is-enough", cache_is_enough, "O3", 5, "held_back"),
    Mutant("service-uid-not-sent", service_uid_not_sent, "O15", 1),
    Mutant("node-uid-not-sent", node_uid_not_sent, "O6", 19),
    Mutant("one-miss-is-enough", one_miss_is_enough, "O6", 19),
    Mutant("lease-not-asked", lease_not_asked, "O9", 1, "frozen_after", managers=2),
    Mutant("suspension-not-noticed", suspension_not_noticed, "O9", 1, "suspended", managers=2),
    Mutant("backends-removed-first", backends_removed_first, "O4", 17),
    Mutant("expiry-ignored", expiry_ignored, "O7", 2, "gap"),
    Mutant("only-additions-relisted", only_additions_are_relisted, "O7", 17, "event_hidden"),
    Mutant("one-unreadable-stops-all", one_unreadable_stops_all, "O7", 2, "unreadable"),
    Mutant("no-back-off", no_back_off, "O11", 1, "outage"),
    Mutant("an-event-each-time", an_event_each_time, "O12", 12),
    Mutant(
        "groups-listed-once", groups_listed_once, "O2", 1, "frozen_before", 2, "CreateVServerGroup"
    ),
    Mutant("told-once-for-ever", told_once_for_ever, "O12", 12, "unauthorized", at=STATUS),
    Mutant("status-by-name", status_by_name, "O19", 5),
    Mutant("deletion-by-the-cache", deletion_by_the_cache, "O16", 4, "held_far_back"),
    Mutant("edits-not-noticed", edits_not_noticed, "O7", 17, "status_cleared"),
    Mutant("edits-in-a-pass-ignored", edits_in_a_pass_ignored, "O7", 2, "status_forged"),
    Mutant("namesake-is-a-failure", namesake_is_a_failure, "O7", 2, "unseen_recreation"),
    Mutant("lease-garbage-believed", lease_garbage_believed, "O7", 2, "lease_garbage", 2, STATUS),
]

#: The one that only :mod:`test_isolation` can catch.
CONTAGIOUS = Mutant("one-fails-all-fail", one_fails_all_fail, "O13", 12, "outage")
