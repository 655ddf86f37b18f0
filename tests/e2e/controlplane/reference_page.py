"""The page about the embedded API server: what was asked, and what it answers differently."""

from __future__ import annotations

import pathlib

from known_differences import ALSO, KNOWN, WHY

PAGE = pathlib.Path(__file__).parents[3] / "docs" / "reference" / "embedded-api-server.md"

_HEAD = """# The embedded API server

The sandbox brings a Kubernetes API server of its own. So that it does not drift from the truth, the
same questions are put to it and to kube-apiserver 1.36 over HTTP, and the answers are compared
field by field; a difference that is not on this page fails the test. Masked are uids, times,
resource versions (but not whether they change), addresses and ports that the server chooses,
`managedFields`, and the wording of a refusal whose reason and causes are equal.

This page is written by the tests: `WRITE_REFERENCE=1 pytest tests/e2e/controlplane`.

## What is asked

| Topic | Questions | Answered differently |
|---|---|---|
"""


def row(topic, questions, different):
    """The line of a topic in the first table."""
    summary = (topic.__doc__ or "").partition("\n")[0]
    return f"| {summary} | {questions} | {different or 'none'} |\n"


def differences():
    """The lines about every known difference."""
    lines = ["## What is different\n"]
    for short, reason in WHY.items():
        lines.append(f"\n**{short[0].upper()}{short[1:]}.** {reason}\n\n")
        seen = dict.fromkeys(known.what for known in KNOWN if known.why == short)
        lines += [f"- {what}\n" for what in seen]
    lines.append("\n## What the questions cannot show\n\n")
    return "".join([*lines, *(f"- {line}\n" for line in ALSO)])


def page(rows):
    """The whole page."""
    return f"{_HEAD}{''.join(rows)}\n{differences()}"
