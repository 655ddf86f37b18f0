"""Which updates of a Node reach load balancers: upstream's two tables, played to their end.

Upstream asks a filter whether to look at all Services. Here the whole controller answers: what was
sent to the cloud, and which nodes are its backends then.
"""

import msgspec
import pytest

from cloudprovider.models import NodeCondition
from cloudprovider.testing.builders import make_node
from cloudprovider_controllers.service.decisions import AUTOSCALER_TAINT, EXCLUDE_LABEL

ALONE = "Test_shouldSyncUpdatedNode_individualPredicates"
TOGETHER = "Test_shouldSyncUpdatedNode_compoundedPredicates"

READY, OUT = {}, {"labels": {EXCLUDE_LABEL: ""}}
TAINTED = {"taints": [AUTOSCALER_TAINT]}
OTHER_TAINT, OTHER_LABEL = {"taints": ["other"]}, {"labels": {"other": ""}}
NOT_READY, UNKNOWN = {"ready": "False"}, {"ready": None}
NO_ID, OTHER_ID = {"provider_id": None}, {"provider_id": "fake://2"}
DISK_FINE = {"condition": ("DiskPressure", "False")}
DISK_FULL = {"condition": ("DiskPressure", "True")}

IS_OUT = (
    "Before and after the node is no backend, so the backends are the same and no load balancer "
    "is touched; upstream looks at all Services and finds the same."
)
LEAVES = (
    "The autoscaler's taint takes the node out at once. Upstream, too, leaves such nodes out, but "
    "does not look until another node changes."
)
COMES = (
    "Without the autoscaler's taint the node is in again at once. Upstream lets it in, too, but "
    "does not look until another node changes."
)
GOING = "A node that is being deleted leaves at once. Upstream leaves it out, but does not look."

# fmt: off
# (test, case, old, new, whether load balancers are updated, what we do instead)
ROWS = [
    (ALONE, "nothing changed", READY, READY, False, None),
    (ALONE, "excluded F->T", READY, OUT, True, None),
    (ALONE, "excluded changed T->F", OUT, READY, True, None),
    (ALONE, "excluded changed T->T", OUT, OUT, False, None),
    (ALONE, "other taint F->T", READY, OTHER_TAINT, False, None),
    (ALONE, "other taint T->F", OTHER_TAINT, READY, False, None),
    (ALONE, "other label changed F->T", READY, OTHER_LABEL, False, None),
    (ALONE, "other label changed T->F", OTHER_LABEL, READY, False, None),
    (ALONE, "readiness changed F->F", NOT_READY, NOT_READY, False, None),
    (ALONE, "readiness changed F->unset", NOT_READY, UNKNOWN, False, None),
    (ALONE, "readiness changed unset->F", UNKNOWN, NOT_READY, False, None),
    (ALONE, "readiness changed unset->unset", UNKNOWN, UNKNOWN, False, None),
    (ALONE, "ready F, other condition changed F->T", NOT_READY | DISK_FINE, NOT_READY | DISK_FULL,
     False, None),
    (ALONE, "ready F, other condition changed T->F", NOT_READY | DISK_FULL, NOT_READY | DISK_FINE,
     False, None),
    (ALONE, "ready T, other condition changed F->T", DISK_FINE, DISK_FULL, False, None),
    (ALONE, "ready T, other condition changed T->F", DISK_FULL, DISK_FINE, False, None),
    (ALONE, "deletionTimestamp F -> T", READY, {"deleted": True}, True, GOING),
    (ALONE, "providerID set F -> T", NO_ID, READY, True, None),
    (ALONE, "providerID set T-> F", READY, NO_ID, True, None),
    (ALONE, "providerID change", READY, OTHER_ID, True, None),
    (TOGETHER, "tainted T, excluded F->T", TAINTED, TAINTED | OUT, False, IS_OUT),
    (TOGETHER, "tainted T, excluded T->F", TAINTED | OUT, TAINTED, False, IS_OUT),
    (TOGETHER, "tainted T, providerID set F->T", TAINTED | NO_ID, TAINTED, False, IS_OUT),
    (TOGETHER, "tainted T, providerID set T->F", TAINTED, TAINTED | NO_ID, False, IS_OUT),
    (TOGETHER, "tainted T, providerID change", TAINTED, TAINTED | OTHER_ID, False, IS_OUT),
    (TOGETHER, "tainted T, ready F->T", TAINTED | NOT_READY, TAINTED, False, None),
    (TOGETHER, "tainted T, ready T->F", TAINTED, TAINTED | NOT_READY, False, None),
    (TOGETHER, "excluded T, tainted F->T", OUT, OUT | TAINTED, False, None),
    (TOGETHER, "excluded T, tainted T->F", OUT | TAINTED, OUT, False, None),
    (TOGETHER, "excluded T, ready F->T", OUT | NOT_READY, OUT, False, None),
    (TOGETHER, "excluded T, ready T->F", OUT, OUT | NOT_READY, False, None),
    (TOGETHER, "excluded T, providerID set F->T", OUT | NO_ID, OUT, False, IS_OUT),
    (TOGETHER, "excluded T, providerID set T->F", OUT, OUT | NO_ID, False, IS_OUT),
    (TOGETHER, "excluded T, providerID change", OUT, OUT | OTHER_ID, False, IS_OUT),
    (TOGETHER, "ready F, tainted F->T", NOT_READY, NOT_READY | TAINTED, True, LEAVES),
    (TOGETHER, "ready F, tainted T->F", NOT_READY | TAINTED, NOT_READY, True, COMES),
    (TOGETHER, "ready F, excluded F->T", NOT_READY, NOT_READY | OUT, True, None),
    (TOGETHER, "ready F, excluded T->F", NOT_READY | OUT, NOT_READY, True, None),
    (TOGETHER, "ready F, providerID set F->T", NOT_READY | NO_ID, NOT_READY, True, None),
    (TOGETHER, "ready F, providerID set T->F", NOT_READY, NOT_READY | NO_ID, True, None),
    (TOGETHER, "ready F, providerID change", NOT_READY, NOT_READY | OTHER_ID, True, None),
    (TOGETHER, "providerID unset, excluded F->T", NO_ID, NO_ID | OUT, True, None),
    (TOGETHER, "providerID unset, excluded T->F", NO_ID | OUT, NO_ID, True, None),
    # Upstream calls this one "T->F"; its nodes are ready before and after.
    (TOGETHER, "providerID unset, ready T->F", NO_ID, NO_ID, False, None),
    (TOGETHER, "providerID unset, ready F->T", NO_ID, NO_ID | NOT_READY, False, None),
    (TOGETHER, "providerID unset, tainted T->F", NO_ID | TAINTED, NO_ID, True, COMES),
    (TOGETHER, "providerID unset, tainted F->T", NO_ID, NO_ID | TAINTED, True, LEAVES),
]
# fmt: on


def row(test, case, old, new, updated, instead):
    note = {"instead": instead} if instead else {}
    marks = pytest.mark.upstream(f"{test}/{case}", **note)
    return pytest.param(old, new, updated, id=case, marks=marks)


def node(version, *, condition=None, **fields):
    """The node as the watch shows it."""
    made = make_node("n0", **{"provider_id": "fake://1", **fields})
    conditions = list(made.status.conditions or ())
    if condition:
        conditions.append(NodeCondition(type=condition[0], status=condition[1]))
    replace = msgspec.structs.replace
    return replace(
        made,
        metadata=replace(made.metadata, resource_version=version),
        status=replace(made.status, conditions=tuple(conditions)),
    )


def is_out(fields):
    excluded = EXCLUDE_LABEL in fields.get("labels", ())
    return excluded or AUTOSCALER_TAINT in fields.get("taints", ()) or "deleted" in fields


@pytest.mark.parametrize(("old", "new", "updated"), [row(*items) for items in ROWS])
def test_an_update_of_a_node_reaches_load_balancers_if_it_changes_backends(play, old, new, updated):
    def scene(world):
        world.add_node("n1", provider_id="fake://n1")
        manager = world.start("service")
        cache = manager.context.informers.nodes
        cache.put(node("1", **old))
        world.add_service("local", external_traffic_policy="Local")
        world.add_service("cluster", external_traffic_policy="Cluster")
        world.wait(3)
        world.forget()
        cache.put(node("2", **new))
        world.wait(10)
        calls = world.cloud.calls
        assert [call.method for call in calls] == ["update_load_balancer"] * (2 * updated)
        backends = ("n1",) if is_out(new) else ("n0", "n1")
        assert {balancer.nodes for balancer in world.cloud.balancers.values()} == {backends}

    play(scene)
