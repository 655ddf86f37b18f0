"""Settings, write guard and calls into a provider."""

import pytest
from prometheus_client import CollectorRegistry

from cloudprovider.errors import (
    CloudProviderError,
    ImplementedElsewhere,
    InstanceNotFound,
    RetryLater,
)
from cloudprovider.testing.fake import FakeCloud
from cloudprovider_controllers.context import ControllerContext, ControllerOptions
from cloudprovider_controllers.node import controller as node_controller
from cloudprovider_controllers.provider_calls import guarded, meaning
from cloudprovider_controllers.runtime.limiters import ExponentialLimiter
from cloudprovider_controllers.runtime.metrics import RuntimeMetrics
from cloudprovider_controllers.service import controller as service_controller


@pytest.mark.parametrize(
    "name",
    [
        "concurrent_service_syncs",
        "concurrent_node_syncs",
        "node_status_update_frequency",
        "node_batch_size",
        "retry_base",
        "retry_cap",
        "stuck_after",
    ],
)
@pytest.mark.parametrize("value", [0, -1])
def test_a_setting_that_would_switch_something_off_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a positive number"):
        ControllerOptions(**{name: value})


@pytest.mark.parametrize(
    "name", ["concurrent_node_status_updates", "node_burst_window", "service_verify_period"]
)
def test_a_setting_where_zero_means_something_takes_zero_but_nothing_less(name):
    assert getattr(ControllerOptions(**{name: 0}), name) == 0
    with pytest.raises(ValueError, match=f"{name} cannot be a negative number"):
        ControllerOptions(**{name: -1})


def chained(outer, inner):
    outer.__cause__ = inner
    return outer


LATER = RetryLater("x", after=3)
ELSEWHERE = ImplementedElsewhere()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(LATER, RetryLater, id="later"),
        pytest.param(chained(ValueError(), LATER), RetryLater, id="later, wrapped"),
        pytest.param(
            chained(CloudProviderError("x"), ELSEWHERE), ImplementedElsewhere, id="elsewhere"
        ),
        pytest.param(InstanceNotFound("x"), InstanceNotFound, id="ours"),
        pytest.param(
            chained(CloudProviderError("x"), InstanceNotFound("y")),
            CloudProviderError,
            id="only the outermost says that something is absent",
        ),
        pytest.param(KeyError("secret"), CloudProviderError, id="anything"),
    ],
)
def test_what_an_error_means(error, kind):
    assert type(meaning(error)) is kind
    assert "secret" not in str(meaning(error))


def test_a_loop_of_causes_ends():
    one, two = ValueError(), ValueError()
    one.__cause__, two.__cause__ = two, one
    assert type(meaning(one)) is CloudProviderError


@pytest.mark.parametrize("error", [KeyError("x"), SystemExit(1)], ids=["exception", "exit"])
def test_a_guarded_call_raises_only_our_errors(error):
    def call():
        raise error

    with pytest.raises(CloudProviderError) as caught:
        guarded(call)
    assert caught.value.__cause__ is error


def test_controllers_of_parts_that_the_cloud_lacks_are_not_started(play):
    def scene(world):
        world.cloud = FakeCloud(load_balancer=False, instances=False, concurrency=world.hub)
        manager = world.start("service", "node")
        assert manager.running == [None, None]

    play(scene)


def test_names_are_upstreams():
    assert service_controller.NAME == "service-lb-controller"
    assert service_controller.COMPONENT == "service-controller"
    assert node_controller.NAME == "cloud-node-controller"
    assert node_controller.COMPONENT == "node-controller"


@pytest.mark.parametrize(
    ("providers", "names"),
    [
        pytest.param([""], {"node-status", "Nodes"}, id="one: upstream's names"),
        pytest.param(
            ["a", "b"],
            {"node-status-a", "node-status-b", "Nodes-a", "Nodes-b"},
            id="several: each has its own",
        ),
    ],
)
def test_queues_and_loops_of_several_providers_do_not_hide_each_other(providers, names):
    registry = CollectorRegistry()
    metrics = RuntimeMetrics(registry)
    kept = []
    for provider in providers:
        context = ControllerContext(
            cloud=FakeCloud(),
            client_builder=None,
            informers=None,
            recorder_factory=None,
            registry=registry,
            runtime_metrics=metrics,
            provider=provider,
        )
        kept += [context.loop("node-status"), context.queue("Nodes", ExponentialLimiter(1, 2))]
    shown = {
        sample.labels["name"]
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "cloudprovider_reconcile_last_success_age_seconds"
    }
    assert shown == names
