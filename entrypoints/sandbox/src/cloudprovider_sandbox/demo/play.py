"""Runs the demo: starts a sandbox, plays the story, prints the summary."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from rich.console import Console

from cloudprovider.concurrency import Concurrency, current
from cloudprovider.testing.emulation import InventoryItem
from cloudprovider_sandbox.demo.report import Report
from cloudprovider_sandbox.demo.steps import Outcome, Player
from cloudprovider_sandbox.demo.story import OWNER, Story
from cloudprovider_sandbox.sandbox import ManagerDied, Sandbox, SandboxOptions
from cloudprovider_sandbox.show import brief_inventory_lines, inventory_lines
from cloudprovider_sandbox.signals import uninterruptible

_GO = (
    "GO: cloud calls of the Go manager of Alibaba Cloud on the same, derived from measurements "
    "with 100 nodes\nand one port a Service; from the change of ports on this Service has two."
)


def run_demo(
    options: SandboxOptions,
    console: Console,
    *,
    timeout: float = 45.0,
    concurrency: Concurrency | None = None,
) -> int:
    """Play the demo; a step may take ``timeout`` seconds.

    Returns the exit code: 0 if every step held, 1 if not.
    """
    clock = concurrency or current()
    report = Report(console)
    # Its nodes and its manager come when the story says so.
    sandbox = Sandbox(dataclasses.replace(options, nodes=0), concurrency=clock)
    outcomes: list[Outcome] = []
    reason = ""
    started = clock.monotonic()
    try:
        before = _start(sandbox, report)
        player = Player(
            sandbox.journal.records,
            concurrency=clock,
            timeout=timeout,
            alive=sandbox.check_manager,
        )
        for step in _story(sandbox, before, options.nodes, report).steps():
            report.begin(len(outcomes) + 1, step)
            outcomes.append(player.play(step))
            report.end(outcomes[-1])
            if outcomes[-1].problems:
                report.failure("The end of the manager's log:", sandbox.log_tail(15))
                break
    except ManagerDied as error:
        reason = str(error)
        report.failure(f"{error}. The end of {sandbox.files.manager_log}:", error.log)
    finally:
        with uninterruptible():
            code = sandbox.stop()
    report.summary(outcomes)
    reason = reason or _failure(outcomes, code)
    report.line()
    if reason:
        report.line(f"The demo failed: {reason}. Its files: {sandbox.files.folder}")
        return 1
    sandbox.files.discard()
    report.line(_GO)
    seconds = clock.monotonic() - started
    report.line(f"All {len(outcomes)} steps held, in {seconds:.0f} s. Now try `cloud-sandbox up`.")
    return 0


def _start(sandbox: Sandbox, report: Report) -> Sequence[InventoryItem]:
    before = sandbox.start_cloud()
    report.line(f"Cloud: {sandbox.emulator.url()}")
    report.inventory("What is there before; all of it is others':", inventory_lines(before))
    sandbox.start_cluster()
    report.line(f"Kubernetes: {sandbox.control_plane.url}")
    report.line(f"Files: {sandbox.files.folder}")
    return before


def _story(sandbox: Sandbox, before: Sequence[InventoryItem], nodes: int, report: Report) -> Story:
    def cloud() -> None:
        items = [item for item in sandbox.inventory() if item.owner == OWNER]
        names = {instance.instance_id: instance.node_name for instance in sandbox.nodes()}
        lines = brief_inventory_lines(items, names) if items else ["(nothing)"]
        report.inventory(f"In the cloud for {OWNER}:", lines)

    return Story(sandbox, before, nodes=nodes, show=report.table, cloud=cloud)


def _failure(outcomes: Sequence[Outcome], manager: int | None) -> str:
    """Why the demo failed, or empty."""
    for outcome in outcomes:
        if outcome.problems:
            return f"{outcome.title}: {outcome.problems[0]}"
    return f"the manager ended with code {manager} on SIGTERM, not 0" if manager else ""
