"""Our code with one defect each, of the kinds met in other managers (``spec/reliability.md`` 3.10).

A mutant is a name, what it changes, the oracle that must see it, the scenario and the kind of fault
under which it does (None: without any fault).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable

import defects_of_clusters as clusters
import defects_of_others as others
import pytest

from cloudprovider.errors import CloudProviderError, ResourceNotFound
from cloudprovider.interface import LoadBalancer
from cloudprovider_alicloud.api.slb import SlbApi
from cloudprovider_alicloud.clb import diff, names
from cloudprovider_alicloud.clb.inventory import Inventory
from cloudprovider_alicloud.clb.load_balancer import ClbLoadBalancer
from cloudprovider_alicloud.clb.locate import Locator, Subject
from cloudprovider_alicloud.clb.observe import Observer
from cloudprovider_controllers.nodelifecycle import answers
from cloudprovider_controllers.nodelifecycle import controller as lifecycle
from cloudprovider_controllers.nodelifecycle.answers import Verdict
from cloudprovider_controllers.nodelifecycle.decisions import Choice
from cloudprovider_controllers.service import controller, decisions
from cloudprovider_controllers.service.api import ServiceApi
from cloudprovider_controllers.service.sync import Syncer


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

    patch.setattr(ServiceApi, "claim", lambda self, service, *_: service)
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
    """A change of ports is no reason to look at a Service, nor does a survey notice it."""
    patch.setattr(ClbLoadBalancer, "survey", LoadBalancer.survey)
    patch_everywhere(patch, "needs_update", lambda old, new, *_: _type(old) != _type(new))


def type_change_ignored(patch):
    """Only a deleted Service is cleaned up."""
    patch_everywhere(
        patch, "needs_cleanup", lambda service, *_: service.metadata.deletion_timestamp is not None
    )
    patch_everywhere(patch, "wants_load_balancer", lambda service, *_: True)


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
    Mutant("cache-is-enough", clusters.cache_is_enough, "O3", 5, "held_far_back"),
    Mutant("service-uid-not-sent", clusters.service_uid_not_sent, "O15", 1),
    Mutant("node-uid-not-sent", clusters.node_uid_not_sent, "O6", 19),
    Mutant("one-miss-is-enough", clusters.one_miss_is_enough, "O6", 19),
    Mutant("lease-not-asked", clusters.lease_not_asked, "O9", 1, "frozen_after", managers=2),
    Mutant(
        "suspension-not-noticed", clusters.suspension_not_noticed, "O9", 1, "suspended", managers=2
    ),
    Mutant("backends-removed-first", clusters.backends_removed_first, "O4", 17),
    Mutant("expiry-ignored", clusters.expiry_ignored, "O7", 2, "gap"),
    Mutant(
        "only-additions-relisted", clusters.only_additions_are_relisted, "O7", 17, "event_hidden"
    ),
    Mutant("one-unreadable-stops-all", clusters.one_unreadable_stops_all, "O7", 2, "unreadable"),
    Mutant("no-back-off", clusters.no_back_off, "O11", 1, "outage"),
    Mutant("an-event-each-time", clusters.an_event_each_time, "O12", 12),
    Mutant(
        "groups-listed-once",
        clusters.groups_listed_once,
        "O2",
        1,
        "frozen_before",
        2,
        "CreateVServerGroup",
    ),
    Mutant("told-once-for-ever", clusters.told_once_for_ever, "O12", 12, "unauthorized", at=STATUS),
    Mutant("status-by-name", clusters.status_by_name, "O19", 5),
    Mutant("deletion-by-the-cache", clusters.deletion_by_the_cache, "O16", 4, "held_far_back"),
    Mutant("edits-not-noticed", clusters.edits_not_noticed, "O7", 17, "status_cleared"),
    Mutant("edits-in-a-pass-ignored", clusters.edits_in_a_pass_ignored, "O7", 2, "status_forged"),
    Mutant("namesake-is-a-failure", clusters.namesake_is_a_failure, "O7", 2, "unseen_recreation"),
    Mutant(
        "lease-garbage-believed",
        clusters.lease_garbage_believed,
        "O7",
        2,
        "lease_garbage",
        2,
        STATUS,
    ),
    Mutant("stop-not-heard", others.stop_not_heard, "O18", 1, "terminated"),
    Mutant("lease-kept", others.lease_kept, "O18", 1, "leader_terminated", managers=2),
    Mutant(
        "lease-given-back-first",
        others.lease_given_back_first,
        "O9",
        1,
        "leader_terminated",
        2,
        "CreateLoadBalancer",
    ),
    Mutant("silence-believed", others.silence_believed, "O7", 2, "watch_silent"),
    Mutant("nonsense-skipped", others.nonsense_skipped, "O7", 2, "watch_garbled"),
    Mutant("refusal-does-not-matter", others.refusal_does_not_matter, "O3", 1, "admission_refuses"),
    Mutant("webhook-not-named", others.webhook_not_named, "O12", 1, "admission_refuses"),
    Mutant(
        "finalizer-not-looked-for", others.finalizer_not_looked_for, "O3", 1, "admission_strips"
    ),
    Mutant("every-class-is-ours", others.every_class_is_ours, "O7", 1, "class_of_others"),
    Mutant(
        "finalizer-means-ours", others.finalizer_means_ours, "O1", 1, "class_of_others", at=STATUS
    ),
    Mutant("any-version-will-do", others.any_version_will_do, "O1", 1, "taken_at_type_change"),
    Mutant(
        "looked-at-after-the-write",
        others.looked_at_after_the_write,
        "O7",
        1,
        "type_then_class_of_others",
        at=STATUS,
    ),
    Mutant(
        "label-on-whatever-it-is",
        others.label_on_whatever_it_is,
        "O1",
        1,
        "taken_at_type_change",
        at="CreateLoadBalancer",
    ),
    Mutant(
        "anothers-status-cleared", others.anothers_status_cleared, "O1", 1, "taken_at_type_change"
    ),
    Mutant("left-unseen", others.left_unseen, "O7", 1, "taken_while_down"),
    Mutant("minds-never-change", others.minds_never_change, "O16", 4, "mind_changed"),
    Mutant("deletion-forgotten", others.deletion_forgotten, "O7", 4, "mind_changed"),
    Mutant("left-unprotected", others.left_unprotected, "O14", 4, "mind_changed"),
    Mutant("local-check-stays", others.local_check_stays, "O14", 6),
    Mutant("marks-by-the-cache", others.any_version_will_do, "O14", 4, "held_far_back", at=STATUS),
]

#: The one that only :mod:`test_isolation` can catch.
CONTAGIOUS = Mutant("one-fails-all-fail", clusters.one_fails_all_fail, "O13", 12, "outage")
