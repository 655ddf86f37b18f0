"""The fault harness judges rightly: every oracle can fail, every fault does what it says."""

import datetime

import msgspec
import pytest

from cloudprovider import models
from cloudprovider.testing import virtual
from cloudprovider.testing.harness import boundary, oracles
from cloudprovider.toolkit.journal import Record


def service(**changes):
    meta = {"name": "web", "namespace": "x", "uid": "u1", "finalizers": (oracles.FINALIZER,)}
    spec = {"type": "LoadBalancer", "ports": (models.ServicePort(port=80, node_port=30000),)}
    ingress = (models.LoadBalancerIngress(ip="1.2.3.4"),)
    meta |= {k: v for k, v in changes.items() if k in ("finalizers", "uid", "deletion_timestamp")}
    spec |= {k: v for k, v in changes.items() if k in ("type", "load_balancer_class")}
    if "ip" in changes:
        ingress = (models.LoadBalancerIngress(ip=changes["ip"]),) if changes["ip"] else None
    return models.Service(
        metadata=models.ObjectMeta(**meta),
        spec=models.ServiceSpec(**spec),
        status=models.ServiceStatus(load_balancer=models.LoadBalancerStatus(ingress=ingress)),
    )


BALANCER = oracles.Balancer(
    id="lb-1",
    owner_uid="u1",
    address="1.2.3.4",
    listeners={("TCP", 80): oracles.Listener(running=True, group="g")},
    groups={"g": frozenset({("i-1", 30000), ("i-2", 30000)})},
    group_ids=("rsp-1",),
)
GOOD = oracles.View(
    services=(service(),),
    balancers=(BALANCER,),
    foreign={"lb-9": "digest"},
    backends=frozenset({"i-1", "i-2"}),
    nodes=frozenset({"n-1", "n-2"}),
    members=frozenset({"n-1"}),
)


def but(**changes):
    return msgspec.structs.replace(GOOD, **changes)


def balancer_but(**changes):
    return but(balancers=(msgspec.structs.replace(BALANCER, **changes),))


STOPPED = {("TCP", 80): oracles.Listener(running=False, group="g")}
OTHER_PORT = {("TCP", 81): oracles.Listener(running=True, group="g")}
IDLE = service(type="ClusterIP", finalizers=(), ip="")


def test_a_converged_cluster_violates_nothing():
    assert oracles.safe(GOOD, GOOD) + oracles.converged(GOOD) == []


@pytest.mark.parametrize(
    ("number", "oracle", "view"),
    [
        pytest.param("O1", oracles.safe, but(foreign={"lb-9": "other"}), id="foreign-changed"),
        pytest.param("O1", oracles.safe, but(foreign={}), id="foreign-deleted"),
        pytest.param("O2", oracles.safe, but(balancers=(BALANCER, BALANCER)), id="two-balancers"),
        pytest.param("O2", oracles.safe, balancer_but(group_ids=("a", "b")), id="two-groups"),
        pytest.param("O3", oracles.safe, but(services=()), id="no-service"),
        pytest.param("O3", oracles.safe, but(services=(service(uid="u2"),)), id="other-uid"),
        pytest.param(
            "O3", oracles.safe, but(services=(service(finalizers=()),)), id="no-finalizer"
        ),
        pytest.param("O19", oracles.safe, but(services=(service(ip="6.6.6.6"),)), id="forged"),
        pytest.param("O6", oracles.safe, but(nodes=frozenset({"n-2"})), id="node-deleted"),
        pytest.param("O7", oracles.converged, but(balancers=()), id="no-balancer"),
        pytest.param("O7", oracles.converged, balancer_but(listeners=OTHER_PORT), id="wrong-port"),
        pytest.param("O7", oracles.converged, balancer_but(listeners=STOPPED), id="stopped"),
        pytest.param("O7", oracles.converged, but(backends=frozenset({"i-1"})), id="backends"),
        pytest.param(
            "O7",
            oracles.converged,
            balancer_but(groups=dict(BALANCER.groups) | {"old": frozenset()}),
            id="unused-group",
        ),
        pytest.param("O7", oracles.converged, but(services=(service(ip=""),)), id="no-status"),
        pytest.param("O7", oracles.converged, but(services=(IDLE,)), id="not-deleted"),
        pytest.param("O7", oracles.converged, but(services=()), id="orphan"),
        pytest.param(
            "O7",
            oracles.converged,
            but(services=(service(type="ClusterIP"),), balancers=()),
            id="status-and-finalizer-left",
        ),
    ],
)
def test_an_oracle_sees(number, oracle, view):
    found = oracle(GOOD, view) if oracle is oracles.safe else oracle(view)
    assert any(violation.startswith(number) for violation in found), found


BOTH = frozenset({"i-1", "i-2"})
LEFT = {"g": frozenset({("i-2", 30000)})}
EMPTY = {"g": frozenset[tuple[str, int]]()}
MADE_ANEW = {("TCP", 80): oracles.Listener(running=True, group="g", id="another")}
ASKED = frozenset({("u1", ("TCP", 80))})
LEAVING = service(deletion_timestamp=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))


@pytest.mark.parametrize(
    ("violated", "changes", "view"),
    [
        pytest.param("O4", {"groups": LEFT}, {"steady": BOTH}, id="a-backend-too-many-removed"),
        pytest.param("O4", {"groups": EMPTY}, {"steady": BOTH}, id="all-backends-removed"),
        pytest.param("O4", {"listeners": STOPPED}, {"steady": BOTH}, id="listener-stopped"),
        pytest.param("O4", {"listeners": {}}, {"steady": BOTH}, id="listener-deleted"),
        pytest.param("O4", {"listeners": MADE_ANEW}, {"steady": BOTH}, id="listener-made-anew"),
        pytest.param("", {"groups": LEFT}, {"steady": {"i-2"}}, id="a-backend-that-left"),
        pytest.param("", {"groups": EMPTY}, {"steady": frozenset()}, id="no-backend-may-stay"),
        pytest.param("", {"listeners": {}}, {"services": (IDLE,)}, id="wanted-no-more"),
        pytest.param("", {"listeners": {}}, {"fresh": ASKED}, id="asked-for-after-it-was-sent"),
        pytest.param("O16", None, {}, id="balancer-deleted"),
        pytest.param("", None, {"fresh": ASKED}, id="balancer-asked-for-after-it-was-sent"),
        pytest.param("", None, {"services": (LEAVING,)}, id="balancer-of-a-deleted-service"),
    ],
)
def test_a_step_is_judged_by_what_was_there_before(violated, changes, view):
    now = but(balancers=()) if changes is None else balancer_but(**changes)
    found = oracles.step(GOOD, msgspec.structs.replace(now, **view))
    assert [violation.partition(":")[0] for violation in found] == ([violated] if violated else [])


OURS, OTHERS = (service(load_balancer_class=name) for name in ("example.com/a", "example.com/b"))


@pytest.mark.parametrize(
    ("view", "violated"),
    [
        pytest.param(but(services=(OURS,)), [], id="ours"),
        pytest.param(but(services=(OURS,), balancers=()), ["O7", "O19"], id="ours-without"),
        pytest.param(but(services=(OTHERS,)), ["O7"] * 3, id="somebody-elses"),
        pytest.param(
            but(services=(OTHERS,), balancers=(), elsewhere=frozenset({"u1"})),
            [],
            id="served-elsewhere",
        ),
        pytest.param(
            but(services=(OTHERS,), elsewhere=frozenset({"u1"})),
            ["O7"] * 3,
            id="served-elsewhere-and-here",
        ),
    ],
)
def test_a_class_says_whose_a_service_is(view, violated):
    view = msgspec.structs.replace(view, classes=frozenset({"example.com/a"}))
    found = oracles.converged(view) + oracles.honest(view)
    assert [violation.partition(":")[0] for violation in found] == violated


def test_while_a_service_is_cleaned_up_its_status_may_name_what_is_gone():
    assert oracles.honest(but(services=(LEAVING,), balancers=())) == []


@pytest.mark.parametrize(
    ("view", "clean"),
    [
        pytest.param(but(balancers=()), True, id="clean"),
        pytest.param(GOOD, False, id="balancer-left"),
        pytest.param(
            but(balancers=(), foreign=GOOD.foreign | {"acl-1": "x"}), False, id="acl-left"
        ),
    ],
)
def test_what_is_left_is_seen(view, clean):
    assert (oracles.nothing_left(but(balancers=()), view) == []) is clean


@pytest.mark.parametrize(("found", "count"), [("ab", 0), ("a", 1), ("abc", 1), ("ac", 2)], ids=str)
def test_what_another_way_would_not_have_led_to_is_seen(found, count):
    violations = oracles.independent_of_the_way(set("ab"), set(found))
    assert [violation[:4] for violation in violations] == ["O14:"] * count


def test_a_write_in_a_quiet_pass_is_seen_and_a_lease_is_not():
    records = [
        Record(n=0, t=0, api="k8s", op="PUT leases", write=True),
        Record(n=1, t=0, api="slb", op="DescribeLoadBalancers"),
    ]
    assert oracles.quiet(records) == []
    write = Record(n=2, t=0, api="slb", op="SetLoadBalancerName", write=True)
    assert len(oracles.quiet([*records, write])) == 1


class Failures:
    def lost(self):
        return TimeoutError("lost")

    def error(self):
        return RuntimeError("error")

    def throttled(self):
        return RuntimeError("throttled")


def play(injection, expected=None, disturbances=None):
    """A process that makes two writes, the second at most three times; what happened."""
    effects, log = [], []
    world = virtual.VirtualConcurrency()
    seam = boundary.Boundary(
        world,
        effects=lambda: len(effects),
        injection=injection,
        expected=expected,
        disturbances=disturbances,
    )

    def process():
        seam.cross(lambda: effects.append("a"), Failures(), api="x", op="A", write=True)
        for _ in range(3):
            try:
                seam.cross(lambda: effects.append("b"), Failures(), api="x", op="B", write=True)
                break
            except (RuntimeError, TimeoutError) as error:
                log.append(str(error))
        log.append("end")

    world.run(lambda: world.start_process(process, process="manager").join())
    return effects, log, seam


@pytest.mark.parametrize(
    ("kind", "effects", "log"),
    [
        ("crash_before", ["a"], []),
        ("crash_after", ["a", "b"], []),
        ("lost_answer", ["a", "b", "b"], ["lost", "end"]),
        ("error", ["a", "b"], ["error", "end"]),
        ("throttle", ["a", "b"], ["throttled", "end"]),
        ("outage", ["a"], ["error", "error", "error", "end"]),
    ],
)
def test_a_fault_does_what_it_says_exactly_once(kind, effects, log):
    _, _, recording = play(None)
    happened = play(boundary.Injection(1, kind), recording.records)
    assert happened[:2] == (effects, log)
    assert happened[2].fired == 1


def test_a_frozen_process_goes_on_where_it_stopped():
    _, _, recording = play(None)
    for kind in ("frozen_before", "frozen_after"):
        effects, log, seam = play(boundary.Injection(0, kind), recording.records)
        assert (effects, log) == (["a", "b"], ["end"])
        assert [record.t for record in seam.records] == [0.0, 120.0]


def test_a_disturbance_happens_before_the_call_and_ends_after_it():
    told = []

    def disturb(record):
        told.append(f"before {record.op}")
        return lambda: told.append("after")

    _, _, recording = play(None)
    happened = play(boundary.Injection(1, "odd"), recording.records, {"odd": disturb})
    assert happened[:2] == (["a", "b"], ["end"])
    assert told == ["before B", "after"]
    assert happened[2].fired == 1


@pytest.mark.parametrize(
    ("kind", "log"),
    [
        ("event_crash", []),
        ("event_twice", ["a event_twice at 0", "b  at 0"]),
        ("event_late", ["a event_late at 45", "b  at 45"]),
        ("event_cut", ["a event_cut at 0", "b  at 0"]),
    ],
)
def test_an_event_gets_its_fault_exactly_once(kind, log):
    said = []
    world = virtual.VirtualConcurrency()
    plan = boundary.Injection(0, kind, "event")
    seam = boundary.Boundary(world, effects=lambda: 0, injection=plan)

    def process():
        for key in "ab":
            fault = seam.deliver(op="ADDED nodes", key=key)
            said.append(f"{key} {fault} at {world.elapsed():g}")

    world.run(lambda: world.start_process(process, process="manager").join())
    assert said == log
    assert seam.fired == 1
    assert seam.events[0].fault == kind


def test_every_call_gets_every_kind_that_applies():
    _, _, recording = play(None)
    plans = boundary.injections(recording.records)
    assert len(plans) == 2 * len(boundary.WRITE_KINDS)


def test_a_replay_that_differs_from_its_recording_is_noticed():
    _, _, recording = play(None)
    assert play(boundary.Injection(1, "error"), recording.records)[2].nondeterminism == ""
    recording.records[0] = msgspec.structs.replace(recording.records[0], op="Other")
    replay = play(boundary.Injection(1, "error"), recording.records)[2]
    assert "call 0 was x Other" in replay.nondeterminism
