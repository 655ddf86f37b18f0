"""Tables and lines as a person sees them."""

import pytest

from cloudprovider.toolkit.journal import Record
from cloudprovider_sandbox import show
from cloudprovider_sandbox.kube import Table


def test_a_table_looks_like_kubectls():
    table = Table(["NAME", "STATUS"], [["node-1", "Ready"], ["node-22", "NotReady"]])
    assert show.kubectl_lines(table) == [
        "NAME      STATUS",
        "node-1    Ready",
        "node-22   NotReady",
    ]


def test_an_inventory_shows_kind_owner_and_details_below_each_other(build):
    head, listener, group = show.inventory_lines(build.balancer_items())[1:]
    assert head.startswith("load balancer    lb-1")
    assert "default/nginx-example   address=198.18.0.1  status=active" in head
    assert listener.startswith("  listener ")
    assert group.endswith("backends=i-1:30080 weight 100")


def test_a_brief_inventory_calls_instances_by_their_nodes_names(build):
    group = show.brief_inventory_lines(build.balancer_items(), {"i-1": "node-1"})[-1]
    assert group.split() == ["server", "group", "rsp-1", "backends=node-1:30080"]


def test_a_journal_line_shows_who_did_what_with_which_outcome():
    record = Record(
        n=3, t=1.5, api="slb", op="CreateLoadBalancer", key="lb-1", write=True,
        outcome="Throttling.User", seconds=0.05, fault="throttle", proc="manager",
    )  # fmt: skip
    line = show.journal_line(record).plain
    for part in ("WRITE", "slb", "CreateLoadBalancer", "lb-1", "Throttling.User", "50 ms"):
        assert part in line
    assert "fault=throttle" in line


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07", "kubectl"),
        (
            "cloud-controller-manager/v0.1.0 (linux/amd64) kubernetes/unknown/"
            "system:serviceaccount:kube-system:service-controller",
            "cloud-controller-manager service-controller",
        ),
        ("AlibabaCloud (Linux; x86_64) Python/3.11.7", "AlibabaCloud"),
        ("", ""),
    ],
)
def test_callers_are_called_by_their_names(user_agent, name):
    assert show.who(user_agent) == name
