"""The fault harness judges rightly: every oracle can fail, every fault does what it says."""

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
    spec |= {k: v for k, v in changes.items() if k == "type"}
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


def play(injection, expected=None):
    """A process that makes two writes, the second at most three times; what happened."""
    effects, log = [], []
    world = virtual.VirtualConcurrency()
    seam = boundary.Boundary(
        world, effects=lambda: len(effects), injection=injection, expected=expected
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
