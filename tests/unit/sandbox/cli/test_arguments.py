"""The command line."""

import argparse

import pytest

from cloudprovider_sandbox import arguments
from cloudprovider_sandbox.queries import fault_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("50ms", 0.05), ("1.5s", 1.5), ("2m", 120.0), ("3", 3.0), ("0", 0.0)],
)
def test_times_are_read(text, seconds):
    assert arguments.duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "fast", "-1s", "5h", "1 s"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError):
        arguments.duration(text)


def test_up_has_sensible_defaults():
    args = arguments.parse(["up", "--cloud-provider=alicloud"])
    assert (args.nodes, args.latency, args.dir, args.tls, args.manager_arg) == (
        3,
        0.0,
        None,
        False,
        [],
    )


def test_flags_for_the_manager_are_collected():
    args = arguments.parse(
        ["up", "--cloud-provider=alicloud", "--manager-arg=--v=5", "--manager-arg=--port=0"]
    )
    assert args.manager_arg == ["--v=5", "--port=0"]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param([], id="nothing"),
        pytest.param(["up"], id="no cloud"),
        pytest.param(["up", "--cloud-provider=alicloud", "--nodes=many"], id="no number"),
        pytest.param(["fault", "add", "--api=slb", "--kind=explode"], id="unknown kind"),
        pytest.param(["node", "remove"], id="no name"),
    ],
)
def test_wrong_usage_ends_with_2(line, capsys):
    with pytest.raises(SystemExit) as ended:
        arguments.parse(line)
    assert ended.value.code == 2
    assert "usage: cloud-sandbox" in capsys.readouterr().err


def test_a_fault_is_described_by_its_options():
    args = arguments.parse(
        [
            "fault",
            "add",
            "--api",
            "slb",
            "--op",
            "CreateLoadBalancer",
            "--kind",
            "throttle",
            "--after",
            "2s",
            "--times",
            "3",
        ]
    )
    fault = fault_of(args)
    assert (fault.api, fault.op, fault.kind, fault.after, fault.times) == (
        "slb",
        "CreateLoadBalancer",
        "throttle",
        2.0,
        3,
    )
