"""The stand-ins for scheduler and controllers decide as those would."""

import pytest

from cloudprovider_sandbox import workloads

DEPLOYMENT = {
    "metadata": {"name": "web", "namespace": "default", "uid": "d-1", "generation": 2},
    "spec": {
        "replicas": 2,
        "template": {
            "metadata": {"labels": {"app": "nginx-example"}},
            "spec": {
                "containers": [
                    {
                        "name": "web",
                        "image": "nginx",
                        "ports": [{"name": "http", "containerPort": 8080}],
                    }
                ]
            },
        },
    },
}


def pod(build, number, name="web-1"):
    body = workloads.pod_body(DEPLOYMENT, build.node(number), suffix="1")
    body["metadata"] |= {"name": name, "uid": f"p-{name}"}
    return {**body, "status": workloads.pod_status(body, address=f"10.244.0.{number}")}


@pytest.mark.parametrize(
    ("changes", "takes"),
    [
        pytest.param({}, True, id="ready"),
        pytest.param({"ready": "Unknown"}, False, id="not ready"),
        pytest.param({"taints": [{"key": "k", "effect": "NoSchedule"}]}, False, id="tainted"),
        pytest.param({"taints": [{"key": "k", "effect": "PreferNoSchedule"}]}, True, id="mildly"),
    ],
)
def test_pods_go_to_nodes_that_take_them(build, changes, takes):
    node = build.node(1, **changes)
    assert workloads.schedulable([node]) == ([node] if takes else [])


def test_pods_spread_over_nodes(build):
    nodes = [build.node(1), build.node(2)]
    assert workloads.emptiest(nodes, [pod(build, 1)]) is nodes[1]
    assert workloads.emptiest([], []) is None


def test_pods_of_a_gone_node_or_deployment_are_lost(build):
    pods = [pod(build, 1, "a"), pod(build, 2, "b")]
    assert workloads.lost_pods(pods, [build.node(1)], [DEPLOYMENT]) == [pods[1]]
    assert workloads.lost_pods(pods, [build.node(1), build.node(2)], []) == pods


def test_pods_of_others_are_left_alone(build):
    other = {"metadata": {"name": "x"}, "spec": {"nodeName": "gone"}}
    assert workloads.lost_pods([other], [], []) == []


def test_a_slice_lists_the_pods_behind_a_service(build):
    body = workloads.slice_body(build.service(), [pod(build, 2, "b"), pod(build, 1, "a")])
    assert [e["targetRef"]["name"] for e in body["endpoints"]] == ["a", "b"]
    assert body["endpoints"][0]["addresses"] == ["10.244.0.1"]
    assert body["ports"] == [{"name": "", "port": 80, "protocol": "TCP"}]


def test_a_named_target_port_is_looked_up_in_the_containers(build):
    service = build.service()
    service["spec"]["ports"][0]["targetPort"] = "http"
    body = workloads.slice_body(service, [pod(build, 1)])
    assert body["ports"][0]["port"] == 8080


def test_a_deployment_says_how_many_pods_are_ready():
    status = workloads.deployment_status(DEPLOYMENT, 1)
    assert (status["readyReplicas"], status["conditions"][0]["status"]) == (1, "False")
    assert workloads.deployment_status(DEPLOYMENT, 2)["conditions"][0]["status"] == "True"
