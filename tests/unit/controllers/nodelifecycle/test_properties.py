"""No Node is deleted but under the conditions of R2, whatever happens (O6 of spec/reliability.md).

Random sequences of answers, errors, node changes, faults and restarts are judged by an oracle that
watches the API server and the cloud from outside; each condition's absence is shown to be seen.
"""

import collections
import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudprovider.errors import CloudProviderError, InstanceNotFound, Throttled
from cloudprovider.interface import InstanceState
from cloudprovider.testing.faults import Fault
from cloudprovider_controllers.node.api import NodeApi
from cloudprovider_controllers.nodelifecycle import answers, changes, controller, decisions
from cloudprovider_controllers.runtime.resources import NODES

Controller = controller.NodeLifecycleController

PERIOD = 5.0
OUTCOMES = {
    "found": InstanceState(exists=True),
    "stopped": InstanceState(exists=True, shutdown=True),
    "gone": InstanceState(exists=False),
    "not found": InstanceNotFound("x"),
    "error": CloudProviderError("down"),
    "throttled": Throttled("slow down", after=3.0),
    "odd": InstanceState(exists=None),
}
GONE = ("gone", "not found")


@dataclasses.dataclass
class Answer:
    """One answer about one Node, as the cloud gave it."""

    time: float
    manager: int
    gone: bool


class Cloud:
    """The cloud's answers as a script sets them, and what was answered so far."""

    def __init__(self, world):
        self.world = world
        self.outcomes = collections.defaultdict(lambda: "found")
        self.down = False
        self.during = lambda: None  #: happens while the cloud thinks
        self.manager = 0
        self.answers = collections.defaultdict(list)  #: by UID
        world.cloud.instances_v2().instance_states_many = self.states

    def states(self, nodes):
        self.during()
        if self.down:
            for node in nodes:
                self._note(node, gone=False)
            raise CloudProviderError("down")
        found = {}
        for node in nodes:
            said = self.outcomes[node.metadata.name]
            found[node.metadata.name] = OUTCOMES[said]
            self._note(node, gone=said in GONE)
        return found

    def _note(self, node, *, gone):
        time = self.world.hub.monotonic()
        self.answers[node.metadata.uid].append(Answer(time, self.manager, gone))


class Judge:
    """Sees every deletion by the manager right before it is carried out."""

    def __init__(self, world, cloud):
        self.world, self.cloud = world, cloud
        self.violations = []
        self.deletions = []  #: (time, ours before it)
        self._answer = world.server.answer
        world.server.answer = self.answer

    def answer(self, route, request):
        theirs = request.proc == "manager" and route.verb == "delete"
        if not theirs:
            return self._answer(route, request)
        nodes = {node.metadata.name: node for node in self.world.nodes()}
        reply = self._answer(route, request)
        if reply.effect:
            self.judge(nodes[route.name], list(nodes.values()), request)
        return reply

    def judge(self, node, nodes, request):
        now = self.world.hub.monotonic()
        uid = node.metadata.uid
        ours = [n for n in nodes if (n.spec.provider_id or "").startswith("fake://")]
        self.deletions.append((now, len(ours)))
        if f'"uid":"{uid}"' not in request.body.decode():
            self.blame(node, "no UID precondition")
        if node not in ours:
            self.blame(node, "not ours")
        if is_ready(node):
            self.blame(node, "it is Ready")
        self.judge_answers(node, self.cloud.answers[uid])
        recent = [before for time, before in self.deletions if time + PERIOD > now]
        if len(recent) > max(1, recent[0] // 10):
            self.blame(node, f"deletion {len(recent)} of {recent[0]} nodes in a period")
        missing = [n for n in ours if self.last_is_gone(n) and not is_ready(n)]
        begun = len(ours) + len(recent) - 1
        if len(missing) + len(recent) - 1 > max(1, begun / 3):
            self.blame(node, f"{len(missing)} of {len(ours)} are missing")

    def judge_answers(self, node, given):
        last = given[-2:]
        if len(last) < 2 or not all(answer.gone for answer in last):
            self.blame(node, f"the last answers are {last}")
        elif last[0].manager != last[1].manager or last[1].manager != self.cloud.manager:
            self.blame(node, "the answers were given to another manager")
        elif last[1].time < last[0].time + PERIOD:
            self.blame(node, f"the answers are {last[1].time - last[0].time} s apart")

    def last_is_gone(self, node):
        given = self.cloud.answers[node.metadata.uid]
        return bool(given) and given[-1].gone

    def blame(self, node, why):
        self.violations.append(f"{node.metadata.name}: {why}")


def is_ready(node):
    return any((c.type, c.status) == ("Ready", "True") for c in node.status.conditions or ())


class Play:
    """Carries out a script."""

    def __init__(self, world, nodes):
        self.world = world
        self.cloud = Cloud(world)
        self.judge = Judge(world, self.cloud)
        self.wait = world.wait
        self.names = [f"n{index:02}" for index in range(nodes)]
        for name in self.names:
            self.join(name)
        world.add_node("foreign", provider_id="other://1", ready="Unknown")
        self.cloud.outcomes["foreign"] = "gone"
        self.manager = None
        self.restart()

    def join(self, name, ready="Unknown"):
        self.world.add_node(name, ready=ready, provider_id=f"fake://{name}")

    def halt(self):
        """End the manager; calls in flight end before the lease is given to another."""
        if self.manager is not None:
            self.manager.stop.set()
            self.manager.running[0].join()

    def restart(self):
        self.halt()
        self.cloud.manager += 1
        self.manager = self.world.start("lifecycle", settle=0.0, node_monitor_period=PERIOD)

    def say(self, number, count, outcome):
        for name in (self.names * 2)[number : number + count]:
            self.cloud.outcomes[name] = outcome

    def set_ready(self, number, status):
        name = self.names[number]
        if self.exists(name):
            condition = {"type": "Ready", "status": status}
            body = {"status": {"conditions": [condition]}}
            self.world.patch_node(body, name, subresource="status")

    def replace(self, number):
        name = self.names[number]
        plan = self.world.server.faults
        meant_for_the_manager = plan.faults()
        plan.clear()
        if self.exists(name):
            self.world.delete_node(name)
        self.join(name)
        for fault in meant_for_the_manager:
            plan.add(fault)

    def fail(self, op, kind):
        self.world.server.faults.add(Fault(kind=kind, api="k8s", op=op, status=500, times=1))

    def outage(self, down):
        self.cloud.down = down

    def late(self, number):
        self.cloud.during = lambda: self.set_ready(number, "True")

    def exists(self, name):
        return any(node.metadata.name == name for node in self.world.nodes())

    def run(self, script):
        for action, *arguments in script:
            if action in ("set_ready", "replace", "say"):
                arguments[0] %= len(self.names)
            getattr(self, action)(*arguments)


NUMBER = st.integers(0, 23)
ACTION = st.one_of(
    st.tuples(st.just("say"), NUMBER, st.integers(1, 8), st.sampled_from(sorted(OUTCOMES))),
    st.tuples(st.just("say"), NUMBER, st.integers(1, 4), st.sampled_from(GONE)),
    st.tuples(st.just("set_ready"), NUMBER, st.sampled_from(["True", "False", "Unknown"])),
    st.tuples(st.just("replace"), NUMBER),
    st.tuples(
        st.just("fail"),
        st.sampled_from(["DELETE nodes", "GET nodes", "PATCH nodes"]),
        st.sampled_from(["error", "lost_answer", "not_sent"]),
    ),
    st.tuples(st.just("outage"), st.booleans()),
    st.tuples(st.just("restart")),
    st.tuples(st.just("wait"), st.sampled_from([0.3, 3.0, 5.0, 6.0, 17.0])),
    st.tuples(st.just("wait"), st.sampled_from([5.0, 11.0])),
)


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(nodes=st.integers(1, 24), script=st.lists(ACTION, min_size=3, max_size=25))
def test_no_node_is_deleted_but_under_the_conditions_of_r2(play, nodes, script):
    def scene(world):
        stage = Play(world, nodes)
        stage.run(script)
        assert stage.judge.violations == []
        settle(world, stage)
        assert stage.judge.violations == []

    play(scene)


def settle(world, stage):
    """Once nothing happens any more, exactly those go that are gone, unless they are too many."""
    stage.outage(False)
    world.server.faults.clear()
    world.wait(1)  # calls in flight
    ours = [n for n in world.nodes() if n.metadata.name in stage.names]
    gone = {
        node.metadata.name
        for node in ours
        if stage.cloud.outcomes[node.metadata.name] in GONE and not is_ready(node)
    }
    before = {node.metadata.name for node in world.nodes()}
    world.wait(800)
    left = {node.metadata.name for node in world.nodes()}
    if len(gone) <= max(1, len(ours) / 3):
        assert before - left == gone
    else:
        assert before == left
    world.forget()
    world.wait(100)
    assert world.requests() == []


# -- each condition is needed, and its absence is seen ------------------------------------------


def once_is_enough(patch):
    missing = answers.Known._missing

    def hasty(self, **times):
        return dataclasses.replace(missing(self, **times), confirmed=True)

    patch.setattr(answers.Known, "_missing", hasty)


def twice_at_once_is_enough(patch):
    look, missing = Controller.look, answers.Known._missing
    patch.setattr(Controller, "look", lambda self: (look(self), look(self)))
    patch.setattr(
        answers.Known, "_missing", lambda self, **times: missing(self, **{**times, "period": 0.0})
    )


def errors_are_absence(patch):
    verdict = answers.verdict

    def hopeful(outcome):
        said = verdict(outcome)
        return answers.Verdict.MISSING if said is answers.Verdict.NONE else said

    patch.setattr(answers, "verdict", hopeful)


def errors_are_passed_over(patch):
    learn = answers.Known.learn

    def patient(self, outcome, **times):
        return self if isinstance(outcome, CloudProviderError) else learn(self, outcome, **times)

    patch.setattr(answers.Known, "learn", patient)


def no_limit(patch):
    patch.setattr(decisions, "_SHARE", 1)


def no_pause(patch):
    choose = decisions.choose
    patch.setattr(controller, "choose", lambda *args, **kw: choose(*args, **{**kw, "threshold": 1}))


def anybodys_nodes(patch):
    patch.setattr(controller.NodeLifecycleController, "_is_ours", lambda *_: True)


def no_precondition(patch):
    def delete(self, node, approve):
        self._client.delete(NODES, node.metadata.name)
        return True

    patch.setattr(NodeApi, "delete", delete)


def no_second_look(patch):
    delete = changes.NodeApi.delete
    patch.setattr(
        changes.NodeApi, "delete", lambda self, node, approve: delete(self, node, lambda _: True)
    )


def memory_outlives_the_manager(patch):
    shared = {}
    begin, look = Controller.__init__, Controller.look

    def init(self, *args):
        begin(self, *args)
        self._known = dict(shared)

    def remember(self):
        look(self)
        shared.clear()
        shared.update(self._known)

    patch.setattr(Controller, "__init__", init)
    patch.setattr(Controller, "look", remember)


GONE_ONCE = [("say", 0, 1, "gone"), ("wait", 7)]
#: The kubelet reports while the cloud is asked for the second time.
LATE_HEARTBEAT = [("say", 0, 1, "gone"), ("wait", 6), ("late", 0), ("wait", 20)]
MUTANTS = [
    (once_is_enough, [("say", 0, 1, "gone"), ("wait", 8)], "the last answers are"),
    (twice_at_once_is_enough, [("say", 0, 1, "gone"), ("wait", 8)], "s apart"),
    (errors_are_absence, [("say", 0, 1, "error"), ("wait", 60)], "the last answers are"),
    (errors_are_absence, [("say", 0, 1, "odd"), ("wait", 60)], "the last answers are"),
    (
        errors_are_passed_over,
        [*GONE_ONCE, ("say", 0, 1, "error"), ("wait", 5), *GONE_ONCE],
        "the last answers are",
    ),
    (no_limit, [("say", 0, 4, "gone"), ("wait", 20)], "nodes in a period"),
    (no_pause, [("say", 0, 8, "gone"), ("wait", 20)], "are missing"),
    (anybodys_nodes, [("wait", 20)], "not ours"),
    (no_precondition, [("say", 0, 1, "gone"), ("wait", 20)], "no UID precondition"),
    (no_second_look, LATE_HEARTBEAT, "it is Ready"),
    (
        memory_outlives_the_manager,
        [*GONE_ONCE, ("halt",), ("wait", 4), ("restart",), ("wait", 3)],
        "another manager",
    ),
]


@pytest.mark.parametrize(("mutant", "script", "violation"), MUTANTS)
def test_what_each_condition_prevents_is_seen_without_it(
    play, monkeypatch, mutant, script, violation
):
    def scene(world):
        stage = Play(world, 12)
        stage.run(script)
        return stage

    mutant(monkeypatch)
    mutated = violations(play, scene)
    assert any(violation in text for text in mutated), mutated
    monkeypatch.undo()
    assert violations(play, scene) == []


def violations(play, scene):
    found = []

    def run(world):
        found.extend(scene(world).judge.violations)

    play(run)
    return found
