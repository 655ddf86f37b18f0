"""What is remembered about Services, shared between workers and the thread of the nodes."""

import pytest

from cloudprovider.concurrency import RealConcurrency
from cloudprovider.testing.builders import make_node, make_service
from cloudprovider_controllers.service.state import StateTable

OLD, NEW = (make_node("a"),), (make_node("b"),)


@pytest.fixture
def states():
    return StateTable(RealConcurrency())


@pytest.mark.upstream(
    "TestServiceCache/Add", "TestServiceCache/Set and Get", "TestServiceCache/GetbyKeys"
)
def test_a_state_is_made_once(states):
    service = make_service()
    state = states.of(service)
    assert states.of(make_service(annotations={"a": "b"})) is state
    assert states.get("default/web") is state


def test_an_unknown_key_has_no_state(states):
    assert states.get("default/none") is None


@pytest.mark.upstream("TestServiceCache/Del")
def test_a_dropped_state_is_gone_and_dropping_twice_is_fine(states):
    states.of(make_service())
    states.drop("default/web")
    states.drop("default/web")
    assert states.get("default/web") is None


@pytest.mark.upstream("TestServiceCache/ListKeys", "TestServiceCache/allServices")
def test_items_are_all_states_of_one_moment(states):
    for name in ("a", "b"):
        states.of(make_service(name))
    items = states.items()
    states.drop("default/a")
    assert [key for key, _ in items] == ["default/a", "default/b"]


def test_backends_are_unknown_during_a_call(states):
    state = states.of(make_service())
    states.end_call(state, OLD)
    states.begin_call(state)
    assert state.nodes is None


def test_nodes_compared_during_a_call_do_not_count_as_known(states):
    state = states.of(make_service())
    states.end_call(state, OLD)
    states.begin_call(state)
    states.compared(state, OLD, NEW)
    assert state.nodes is None


def test_a_change_during_a_call_asks_for_another_look(states):
    state = states.of(make_service())
    states.begin_call(state)
    states.ask_recheck(state)
    assert states.end_call(state, OLD) is True
    states.begin_call(state)
    assert states.end_call(state, OLD) is False
