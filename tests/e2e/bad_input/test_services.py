"""Services that ask for what cannot be had cost their owner one event, and nobody else anything.

One scene: a manager, fifteen faulty Services and a good one. Each faulty one is tried twice; then
all are corrected; then all are deleted.
"""

import re
from typing import Any

import msgspec
import pytest

from cloudprovider_alicloud.emulator.resources import LoadBalancer

pytestmark = pytest.mark.e2e

PREFIX = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-"
#: Stand for ids that are known only once the emulated cloud runs.
PERSONS, OTHERS = "(a person's)", "(another cluster's)"


class Case(msgspec.Struct, frozen=True):
    """A faulty Service, what its owner is told, and the correction."""

    said: str  #: after the usual opening; ID stands for the id annotated
    annotations: dict[str, str | None] = {}  #: without the prefix
    spec: dict[str, Any] = {}
    right: dict[str, Any] = {}  #: fields of the spec as they should be
    refusals: tuple[str, ...] = ()  #: actions that the cloud refuses at each try
    keeps: tuple[str, ...] = ()  #: annotations that are right


def misspelt(given, right):
    return f"{PREFIX}{given}: unknown annotation; did you mean '{PREFIX}{right}'?"


CASES = {
    "misspelt-key": Case(
        misspelt("addres-type='intranet'", "address-type"),
        {"addres-type": "intranet"},
    ),
    "misspelt-value": Case(
        f"{PREFIX}address-type='intranett': not one of the choices; did you mean 'intranet'?; "
        "accepted: internet or intranet",
        {"address-type": "intranett"},
    ),
    "number-with-unit": Case(
        f"{PREFIX}health-check-interval='10s': not a whole number; "
        "accepted: a whole number from 1 to 50",
        {"health-check-interval": "10s"},
    ),
    "number-too-large": Case(
        f"{PREFIX}bandwidth='99999': out of range; accepted: a whole number from 1 to 5000",
        {"bandwidth": "99999"},
    ),
    "two-faults": Case(
        f"{PREFIX}default-weight='heavy': not a whole number; also {PREFIX}shceduler='rr': unknown "
        f"annotation; did you mean '{PREFIX}scheduler'?; accepted: a whole number from 0 to 100",
        {"shceduler": "rr", "default-weight": "heavy"},
    ),
    "name-too-long": Case(
        f"{PREFIX}name='{'n' * 80}…': 200 characters; accepted: 1 to 80 characters",
        {"name": "n" * 200},
    ),
    "not-supported": Case(
        f"{PREFIX}vgroup-port='rsp-1:80': not supported yet, and ignoring it would send traffic "
        "elsewhere than you ask for; accepted: no such annotation",
        {"vgroup-port": "rsp-1:80"},
    ),
    "no-such-id": Case(
        f"{PREFIX}id='lb-nothing': there is no such load balancer "
        "(code InvalidLoadBalancerId.NotFound, request …); "
        "accepted: the id of a CLB in this region, or no such annotation to get a new one",
        {"id": "lb-nothing"},
        refusals=("DescribeLoadBalancerAttribute",),
    ),
    "address-as-id": Case(
        f"{PREFIX}id='198.19.0.1': there is no such load balancer "
        "(code InvalidLoadBalancerId.NotFound, request …); "
        "accepted: the id of a CLB in this region, or no such annotation to get a new one",
        {"id": "198.19.0.1"},
        refusals=("DescribeLoadBalancerAttribute",),
    ),
    "another-clusters-id": Case(
        f"{PREFIX}id='ID': alicloud: the loadbalancer ID can not be reused, can not reuse "
        "loadbalancer created by kubernetes. It belongs to cluster c-other "
        "(tag kubernetes.do.not.delete: a5d2c40d2b1f04b1d8ec1f6b3a0e9c77); accepted: the id of one "
        "that was made by hand, or no such annotation to get a new one",
        {"id": OTHERS, "force-override-listeners": "true"},
    ),
    "reuse-misspelt": Case(
        misspelt("force-overide-listeners='true'", "force-override-listeners"),
        {"id": PERSONS, "force-overide-listeners": "true"},
        keeps=("id",),
    ),
    "no-such-vswitch": Case(
        f"{PREFIX}vswitch-id='vsw-nothing': slb:CreateLoadBalancer: The specified VSwitchId does "
        "not exist. (code InvalidVSwitchId.NotFound, request …); "
        "accepted: the id of a vSwitch in the cluster's VPC",
        {"address-type": "intranet", "vswitch-id": "vsw-nothing"},
        refusals=("CreateLoadBalancer",),
        keeps=("address-type",),
    ),
    "no-such-address": Case(
        f"{PREFIX}ip='192.0.2.1': slb:CreateLoadBalancer: The specified address cannot be "
        "obtained. (code ObtainIpFail, request …); accepted: a free address of the vSwitch",
        {"address-type": "intranet", "ip": "192.0.2.1"},
        refusals=("CreateLoadBalancer",),
        keeps=("address-type",),
    ),
    "protocol": Case(
        "spec.ports[0].protocol='SCTP': a CLB has no such listener; accepted: TCP or UDP",
        spec={"ports": [{"port": 80, "protocol": "SCTP"}]},
        right={"ports": [{"port": 80, "protocol": "TCP"}]},
    ),
    "source-ranges": Case(
        "spec.loadBalancerSourceRanges='10.0.0.0/8': a CLB restricts clients by access lists only, "
        "and would be open to all; accepted: no ranges, or the annotations acl-status: on, "
        "acl-type and acl-id",
        spec={"loadBalancerSourceRanges": ["10.0.0.0/8"]},
        right={"loadBalancerSourceRanges": None},
    ),
}


class Scene:
    """The Services of :data:`CASES`, named like the case, among others."""

    def __init__(self, world, until):
        self.world, self.until = world, until
        self.ids = dict(zip((PERSONS, OTHERS), world.emulator.world.foreign, strict=True))
        self.foreign = world.foreign()

    def play(self, plugins):
        """Until each faulty Service was tried twice."""
        world = self.world
        for name in ("node-1", "node-2"):
            world.join(name)
        self.process = world.start(PYTHONPATH=str(plugins))
        for name, case in CASES.items():
            world.expose(name, self.annotations(case), **case.spec)
        world.expose("early", {f"{PREFIX}id": "lb-later"})
        world.expose("good")
        self.until(lambda: world.address("good"), "address of the good Service")
        self.until(lambda: self.tried(1) == set(CASES), "first tries")
        self.tried_twice_at_once = self.tried(2)
        self.until(lambda: self.process.tries("service: default/early"), "first try of early")
        self.make_load_balancer("lb-later")
        self.until(lambda: self.tried(2) == set(CASES), "second tries")
        self.log = self.process.text()
        self.calls = world.cloud_calls()
        self.touched = world.foreign()

    def annotations(self, case):
        """As the user wrote them."""
        return {PREFIX + key: self.ids.get(v, v) for key, v in case.annotations.items()}

    def tried(self, times):
        """The faulty Services that were tried at least so often."""
        return {name for name in CASES if self.process.tries(f"service: default/{name}") >= times}

    def make_load_balancer(self, balancer_id):
        """A person makes one, by hand."""
        core = self.world.emulator.core
        with core.lock:
            made = LoadBalancer(
                id=balancer_id,
                region=self.world.emulator.world.region,
                name="by-hand",
                address="198.19.0.9",
                spec="slb.s1.small",
            )
            core.state.put(made)

    def expected(self, case):
        """What the owner is told, as a regular expression."""
        said = case.said.replace("ID", self.ids.get(case.annotations.get("id"), "ID"), 2)
        opening = "Error syncing load balancer: failed to ensure load balancer: "
        return re.escape(opening + said).replace("request\\ …", "request [0-9A-F-]{36}")

    def correct(self):
        """Every owner does what the message asks for."""
        for name, case in CASES.items():
            wrong = [key for key in case.annotations if key not in case.keeps]
            self.world.edit(name, {PREFIX + key: None for key in wrong}, **case.right)


@pytest.fixture(scope="module")
def scene(world, until, plugin, tmp_path_factory):
    plugins = tmp_path_factory.mktemp("plugins")
    plugin(plugins, "acme", "raise RuntimeError('nobody asked for me')")
    made = Scene(world, until)
    made.play(plugins)
    return made


@pytest.mark.parametrize("name", CASES)
def test_the_owner_is_told_once_what_is_wrong_and_what_is_accepted(scene, name):
    (event,) = scene.world.warnings(name)
    assert (event["reason"], event["count"]) == ("SyncLoadBalancerFailed", 1)
    assert re.fullmatch(scene.expected(CASES[name]), event["message"]), event["message"]


def test_none_is_tried_again_at_once(scene):
    assert scene.tried_twice_at_once == set()
    assert "try 3" not in scene.log


def test_a_try_costs_the_cloud_one_refused_call_or_none(scene):
    refused = [call for call in scene.calls if call.outcome != "ok" and call.key != "lb-later"]
    expected = 2 * sorted(action for case in CASES.values() for action in case.refusals)
    assert sorted(call.op for call in refused) == sorted(expected)


def test_another_service_gets_its_load_balancer_meanwhile(scene):
    assert scene.world.address("good")
    assert scene.world.warnings("good") == []
    assert scene.process.healthy()


def test_what_belongs_to_others_was_read_only(scene):
    assert {key: scene.touched[key] for key in scene.foreign} == scene.foreign
    about = [call for call in scene.calls if call.key in scene.ids.values()]
    assert about
    assert [call.op for call in about if call.write] == []


def test_an_id_is_right_as_soon_as_it_names_something(scene, until):
    """It was wrong when it was written: nobody has to touch the Service again."""
    until(lambda: scene.world.address("early") == "198.19.0.9", "address of early")


def test_no_service_was_given_anything_that_it_did_not_ask_for(scene, until):
    until(lambda: scene.world.address("early"), "address of early")
    owners = {item.owner for item in scene.world.emulator.inventory()} - {""}
    assert owners == {"default/good", "default/early", "default/shop"}


# -- the second act ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def corrected(scene):
    scene.correct()
    return scene


@pytest.mark.parametrize("name", CASES)
def test_corrected_it_gets_its_load_balancer(corrected, until, name):
    until(lambda: corrected.world.address(name), name)
    assert len(corrected.world.warnings(name)) == 1


def test_reused_a_load_balancer_keeps_its_listeners(corrected, until):
    """Without force-override-listeners they are the person's."""
    until(lambda: corrected.world.address("reuse-misspelt") == "198.19.0.1", "reuse")
    now = corrected.world.foreign()
    listeners = [key for key in corrected.foreign if key.endswith("_tcp_80")]
    assert len(listeners) == 2
    assert [now[key] for key in listeners] == [corrected.foreign[key] for key in listeners]


def test_deleted_all_of_theirs_is_gone_and_nothing_of_others(corrected, until):
    for name in corrected.world.services():
        corrected.world.delete(name)
    until(lambda: not corrected.world.services(), "deletion")
    after = {key: corrected.world.foreign()[key] for key in corrected.foreign}
    persons = corrected.ids[PERSONS]
    assert after[persons].tags == {"kubernetes.reused.by.user": "true"}  # upstream leaves it too
    after[persons] = msgspec.structs.replace(after[persons], tags={})
    assert after == corrected.foreign
    owners = {item.owner for item in corrected.world.emulator.inventory()} - {""}
    assert owners == {"default/shop"}
    assert corrected.process.stop() == 0
