"""What calls cost, in a registry that is passed in."""

from prometheus_client import CollectorRegistry, generate_latest

from cloudprovider.toolkit.calls import MOST_CODES, Budget, Rate, call_metrics


def test_attempts_are_counted_by_provider_service_action_and_code():
    registry = CollectorRegistry()
    call_metrics(registry).observe("alicloud", "ecs", "DescribeInstances", code="ok", seconds=0.2)
    labels = {
        "provider": "alicloud",
        "service": "ecs",
        "action": "DescribeInstances",
        "code": "ok",
    }
    name = "cloudprovider_api_request_duration_seconds"
    assert registry.get_sample_value(f"{name}_count", labels) == 1
    assert registry.get_sample_value(f"{name}_sum", labels) == 0.2


def test_two_providers_share_the_metrics_of_one_registry():
    registry = CollectorRegistry()
    assert call_metrics(registry) is call_metrics(registry)
    assert call_metrics(CollectorRegistry()) is not call_metrics(registry)


def test_waiting_for_the_budget_is_counted():
    registry = CollectorRegistry()
    call_metrics(registry).waited("alicloud", "slb", "CreateLoadBalancer", 1.5)
    text = generate_latest(registry).decode()
    assert "cloudprovider_api_budget_wait_seconds_total" in text


def test_without_a_registry_nothing_is_shared():
    assert call_metrics(None) is not call_metrics(None)


LABELS = {"provider": "alicloud", "service": "slb", "action": "CreateLoadBalancer"}


def test_throttling_is_counted_and_shown_in_the_rate_of_the_budget():
    registry = CollectorRegistry()
    metrics = call_metrics(registry)
    budget = Budget(Rate(per_second=40.0, burst=10.0))
    metrics.budget(*LABELS.values(), budget)
    assert registry.get_sample_value("cloudprovider_api_budget_rate", LABELS) == 40.0
    budget.throttled()
    metrics.throttled(*LABELS.values())
    metrics.budget(*LABELS.values(), budget)
    assert registry.get_sample_value("cloudprovider_api_budget_rate", LABELS) == 20.0
    assert registry.get_sample_value("cloudprovider_api_throttled_total", LABELS) == 1


def test_codes_that_a_server_makes_up_do_not_fill_the_memory():
    registry = CollectorRegistry()
    metrics = call_metrics(registry)

    def count(code):
        name = "cloudprovider_api_request_duration_seconds_count"
        return registry.get_sample_value(name, {**LABELS, "code": code})

    for number in range(MOST_CODES + 50):
        metrics.observe(*LABELS.values(), code=f"Code.{number}", seconds=0.1)
    metrics.observe(*LABELS.values(), code="<html>", seconds=0.1)
    assert count("Code.0") == 1
    assert count(f"Code.{MOST_CODES}") is None
    assert count("other") == 51
