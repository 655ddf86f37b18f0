"""What a manager that leads serves on /metrics, against the table of ``spec/ccm-core.md`` 4.7."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cloudprovider.testing.fake import FakeCloud
from cloudprovider.toolkit.calls import call_metrics
from cloudprovider_manager.monitoring import Monitoring

REQUESTS = ".005 .025 .1 .25 .5 1 2 4 8 15 30 60"
BYTES = "64 256 512 1024 4096 16384 65536 262144 1048576 4194304 16777216"
POWERS = " ".join(str(2**k) for k in range(15))
NODES = "1 4 16 64 256 1024"
QUEUE = " ".join(f"1e{k}" for k in range(-8, 2))
CALLS = ".01 .025 .05 .1 .25 .5 1 2.5 5 10 30"

#: Name, type, labels, buckets. Counters are named as they are served.
UPSTREAM = [
    ("service_controller_loadbalancer_sync_total", "counter", "", ""),
    ("service_controller_nodesync_error_total", "counter", "", ""),
    ("service_controller_nodesync_latency_seconds", "histogram", "", POWERS),
    ("service_controller_update_loadbalancer_host_latency_seconds", "histogram", "", POWERS),
    ("node_controller_cloud_provider_taint_removal_delay_seconds", "histogram", "", NODES),
    ("node_controller_initial_node_sync_delay_seconds", "histogram", "", NODES),
    ("route_controller_route_sync_total", "counter", "", ""),
    ("running_managed_controllers", "gauge", "name manager", ""),
    ("workqueue_depth", "gauge", "name", ""),
    ("workqueue_unfinished_work_seconds", "gauge", "name", ""),
    ("workqueue_longest_running_processor_seconds", "gauge", "name", ""),
    ("workqueue_adds_total", "counter", "name", ""),
    ("workqueue_retries_total", "counter", "name", ""),
    ("workqueue_queue_duration_seconds", "histogram", "name", QUEUE),
    ("workqueue_work_duration_seconds", "histogram", "name", QUEUE),
    ("rest_client_request_duration_seconds", "histogram", "verb host", REQUESTS),
    ("rest_client_rate_limiter_duration_seconds", "histogram", "verb host", REQUESTS),
    ("rest_client_request_size_bytes", "histogram", "verb host", BYTES),
    ("rest_client_response_size_bytes", "histogram", "verb host", BYTES),
    ("rest_client_requests_total", "counter", "code method host", ""),
    ("rest_client_request_retries_total", "counter", "code verb host", ""),
    ("leader_election_master_status", "gauge", "name", ""),
    ("leader_election_slowpath_total", "counter", "name", ""),
    (
        "kubernetes_build_info",
        "gauge",
        "major minor git_version git_commit git_tree_state build_date go_version compiler platform",
        "",
    ),
    ("process_cpu_seconds_total", "counter", "", ""),
    ("process_resident_memory_bytes", "gauge", "", ""),
]

OURS = [
    (
        "cloudprovider_api_request_duration_seconds",
        "histogram",
        "provider service action code",
        CALLS,
    ),
    ("cloudprovider_api_budget_wait_seconds_total", "counter", "provider service action", ""),
    ("cloudprovider_api_throttled_total", "counter", "provider service action", ""),
    ("cloudprovider_api_budget_rate", "gauge", "provider service action", ""),
    ("cloudprovider_reconcile_oldest_waiting_seconds", "gauge", "name", ""),
    ("cloudprovider_reconcile_longest_running_seconds", "gauge", "name", ""),
    ("cloudprovider_reconcile_last_success_age_seconds", "gauge", "name", ""),
    ("cloudprovider_build_info", "gauge", "version python_version platform", ""),
    ("cloudprovider_log_lost_lines", "gauge", "", ""),
]

#: Upstream's that are not served, and why.
ABSENT = {
    "cloud_provider_webhook_request_total": "no webhooks are served",
    "cloud_provider_webhook_request_duration_seconds": "no webhooks are served",
    "rest_client_dns_resolution_duration_seconds": "upstream never registers it",
    "rest_client_exec_plugin_policy_call_total": "upstream never registers it",
}


class CountingCloud(FakeCloud):
    """A provider that counts its calls, as ``use_metrics`` asks."""

    def use_metrics(self, registry):
        metrics = call_metrics(registry)
        metrics.observe("fake", "lb", "Create", code="ok", seconds=0.1)


@pytest.fixture(scope="module")
def served(module_world):
    """Families by name, from the text that a manager serves after half a minute as the leader."""
    world, found = module_world, {}

    def script():
        manager = world.start(cloud=CountingCloud(), cluster_cidr=("10.0.0.0/8",))
        world.time.sleep(30)
        text = manager.monitoring.text().decode()
        found.update({family.name: family for family in text_string_to_metric_families(text)})
        world.stops["one"].set()
        world.time.sleep(10)

    world.run(script)
    assert world.codes == {"one": 0}
    return found


def family_of(served, name, kind):
    return served.get(name.removesuffix("_total") if kind == "counter" else name)


@pytest.mark.defect(25)
@pytest.mark.parametrize(("name", "kind", "labels", "buckets"), UPSTREAM + OURS)
def test_a_metric_has_the_type_labels_and_buckets_of_the_table(served, name, kind, labels, buckets):
    family = family_of(served, name, kind)
    assert family is not None
    assert family.type == kind
    for sample in family.samples:
        assert set(sample.labels) - {"le"} == set(labels.split())
    bounds = sorted(
        {float(sample.labels["le"]) for sample in family.samples if "le" in sample.labels}
    )
    if family.samples and buckets:
        assert bounds[:-1] == pytest.approx([float(bound) for bound in buckets.split()])


def test_most_of_them_have_values_after_a_run(served):
    without = {
        name for name, kind, _, _ in UPSTREAM + OURS if not family_of(served, name, kind).samples
    }
    # Nothing was throttled, retried, or sent with a body that waited.
    assert without <= {
        "rest_client_request_retries_total",
        "cloudprovider_api_throttled_total",
        "cloudprovider_api_budget_wait_seconds_total",
        "cloudprovider_api_budget_rate",
        "rest_client_rate_limiter_duration_seconds",
    }


def test_each_controller_has_its_ages(served):
    def names(family):
        return {sample.labels["name"] for sample in served[family].samples}

    assert names("cloudprovider_reconcile_oldest_waiting_seconds") == {"Nodes", "Routes", "service"}
    loops = {"Nodes", "Routes", "service", "node-status", "node-lifecycle"}
    assert names("cloudprovider_reconcile_last_success_age_seconds") == loops
    assert names("cloudprovider_reconcile_longest_running_seconds") == loops


def test_no_metric_of_the_manager_is_in_neither_table(served):
    tables = {name.removesuffix("_total") for name, *_ in UPSTREAM + OURS}
    strays = {
        name
        for name in served
        if name not in tables
        and not name.endswith("_created")
        and not name.startswith(("process_", "node_lifecycle_controller_", "route_controller_"))
    }
    assert strays == set()


@pytest.mark.parametrize("name", ABSENT)
def test_what_upstream_has_and_we_have_no_use_for_is_absent(served, name):
    assert family_of(served, name, "counter") is None


def test_no_label_names_an_object(served):
    """The set of values is bounded: no Service, Node, id or path is a label."""
    allowed = {"name", "manager", "verb", "host", "code", "method", "le", "provider", "service"}
    allowed |= {"action", "version", "python_version", "platform", "major", "minor", "git_version"}
    allowed |= {"git_commit", "git_tree_state", "build_date", "go_version", "compiler"}
    labels = {label for family in served.values() for s in family.samples for label in s.labels}
    assert labels <= allowed


@pytest.mark.parametrize("name", ["workqueue_adds_total", "workqueue_adds", "workqueue_depth"])
def test_a_disabled_metric_is_not_served(name):
    monitoring = Monitoring([name])
    monitoring.runtime.queue("q")
    text = monitoring.text().decode()
    assert name.removesuffix("_total") + "_total{" not in text
    assert f"TYPE {name} " not in text
    assert "leader_election_master_status" in text
