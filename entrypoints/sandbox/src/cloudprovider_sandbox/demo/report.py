"""Prints the demo while it plays, and its summary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape

from cloudprovider_sandbox.demo.steps import Costs, Outcome, Step
from cloudprovider_sandbox.kube import Table
from cloudprovider_sandbox.show import kubectl_lines, plain_table


class Report:
    """Writes to ``console``."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def line(self, text: str = "") -> None:
        """A line of plain text."""
        self._console.print(escape(text))

    def begin(self, number: int, step: Step) -> None:
        """A step begins."""
        self._console.print()
        self._console.print(f"[bold cyan]{number}. {escape(step.title)}[/]")
        for command in step.commands:
            self._console.print(f"[dim]   $ {escape(command)}[/]", soft_wrap=True)

    def end(self, outcome: Outcome) -> None:
        """A step is over."""
        if outcome.problems:
            for problem in outcome.problems:
                self._console.print(f"   [bold red]✗[/] {escape(problem)}")
        else:
            self._console.print(f"   [green]✓[/] {escape(_sentence(outcome))}")
            if outcome.costs.calls:
                calls = escape(_calls(outcome.costs))
                self._console.print(f"     [dim]{calls}[/]", soft_wrap=True)

    def table(self, command: str, table: Table) -> None:
        """A table as kubectl prints it."""
        self._console.print(f"[dim]   $ kubectl {escape(command)}[/]")
        for line in kubectl_lines(table):
            self._console.print(f"   {escape(line)}", soft_wrap=True)

    def command(self, command: Sequence[str]) -> None:
        """A command line, one flag a line."""
        program, *rest = command
        flags = [argument for argument in rest if argument.startswith("--")]
        head = " ".join([program, *(a for a in rest if a not in flags)])
        self._console.print(f"[dim]   $ {escape(head)}[/]", soft_wrap=True)
        for flag in flags:
            self._console.print(f"[dim]       {escape(flag)}[/]", soft_wrap=True)

    def failure(self, text: str, lines: Iterable[str]) -> None:
        """What went wrong, with lines of a log."""
        self._console.print(f"[bold red]✗[/] {escape(text)}", soft_wrap=True)
        for line in lines:
            self._console.print(f"  [dim]{escape(line)}[/]", soft_wrap=True)

    def inventory(self, title: str, lines: Sequence[str]) -> None:
        """Resources of the cloud, one a line."""
        self._console.print(f"[dim]   {escape(title)}[/]")
        for line in lines:
            self._console.print(f"   {escape(line)}", soft_wrap=True)

    def summary(self, outcomes: Iterable[Outcome]) -> None:
        """One line for each step."""
        table = plain_table(
            "STEP", "RESULT", "SECONDS", "CLOUD CALLS", "READS", "WRITES", "GO", "K8S WRITES",
            right=("SECONDS", "CLOUD CALLS", "READS", "WRITES", "GO", "K8S WRITES"),
        )  # fmt: skip
        for outcome in outcomes:
            costs = outcome.costs
            table.add_row(
                outcome.title,
                "[red]failed[/]" if outcome.problems else "[green]ok[/]",
                f"{outcome.seconds:.2f}",
                str(costs.calls),
                str(costs.reads),
                str(costs.writes),
                "-" if outcome.go is None else str(outcome.go),
                str(costs.kubernetes_writes),
            )
        self._console.print()
        self._console.print(table)


def _sentence(outcome: Outcome) -> str:
    costs = outcome.costs
    text = f"{outcome.seconds:.2f} s, "
    if costs.calls:
        text += f"{_counted(costs.calls, 'cloud call')}: {_counted(costs.reads, 'read')}, "
        text += _counted(costs.writes, "write")
    else:
        text += "no cloud call"
    return text if outcome.go is None else f"{text} (the Go manager: {outcome.go} calls)"


def _calls(costs: Costs) -> str:
    return ", ".join(name if times == 1 else f"{times} {name}" for name, times in costs.actions)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
