"""One conversation with an API server, the same for ours and a real one.

``answers.json`` holds what kube-apiserver 1.36.3 answered, masked; ``tests/e2e/kubectl`` records it
anew (``RECORD_ANSWERS=1``) and holds ours against a real one where one can be had.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from typing import Any

from apiserver_requests import STEPS, SVC, WATCHES, Step

Call = Callable[[str, str, bytes | None, str], tuple[int, str]]


def to_text(answers: dict[str, Any]) -> str:
    """``answers`` as JSON, a line for each."""
    lines = [f"{json.dumps(name)}: {json.dumps(answers[name], sort_keys=True)}" for name in answers]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def converse(call: Call) -> dict[str, Any]:
    """Every answer, masked, by the name of its step. ``call`` takes method, path, body and type."""
    _, text = call("GET", f"{SVC}?limit=1", None, "")
    begin = json.loads(text)["metadata"]["resourceVersion"]
    answers: dict[str, Any] = {}
    found: dict[str, Any] = {}
    for step in STEPS:
        body = step.body(answers) if callable(step.body) else step.body
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        status, text = call(step.method, step.path, body, step.type)
        with contextlib.suppress(ValueError):
            answers[step.name] = json.loads(text)
        found[step.name] = list(masked(step, status, text))
    for name, path in WATCHES:
        query = f"watch=1&resourceVersion={begin}&timeoutSeconds=1"
        _, text = call("GET", f"{path}?{query}", None, "")
        events = [json.loads(line) for line in text.splitlines()]
        found[f"watch: {name}"] = [
            [event["type"], event["object"]["metadata"]["name"]]
            for event in events
            if event["object"]["metadata"]["name"] != "kubernetes"  # a real server's own
        ]
    return found


_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"20\d\d-\d\d-\d\dT[0-9:.]+Z")
_CLUSTER_IP = re.compile(r"10\.96\.\d+\.\d+")
_RECORD = re.compile(r"in record \(\d+\)")
_NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
_NODE_PORT = re.compile(r"\b3[0-2]\d{3}\b")


_MASKS = (
    (_UID, "UID"),
    (_TIME, "TIME"),
    (_CLUSTER_IP, "CLUSTER IP"),
    (_NODE_PORT, "NODE PORT"),
    (_RECORD, "in record (VERSION)"),
)

#: Steps whose refusal is worded by Go's libraries: code and reason must agree, the text need not.
LOOSE = frozenset(
    {
        "invalid: no name",
        "invalid: target port",
        "invalid: wrong type",
        "invalid: wrong kind",
        "invalid: not json",
        "invalid: bad selector",
        "update: no merge key",
        "update: bad directive",
        "update: patch type",
        "update: patch not json",
        "path: review",
    }
)


def masked(step: Step, status: int, text: str) -> Any:
    """An answer without what differs between any two clusters."""
    try:
        value = json.loads(text)
    except ValueError:
        return status, text.strip()
    if step.name in LOOSE:
        return status, {"reason": value.get("reason"), "kind": value.get("kind")}
    return status, _mask(value)


def _mask(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: "VERSION" if key == "resourceVersion" else _mask(part)
            for key, part in value.items()
            if part is not None
        }
    if isinstance(value, list):
        # A real server lists some causes twice, and taints new nodes itself. Managers are listed
        # by the second in which they wrote.
        parts = [_mask(part) for part in value if part != _NOT_READY]
        if any(isinstance(part, dict) and "fieldsV1" in part for part in parts):
            parts.sort(key=lambda part: json.dumps(part, sort_keys=True))
        return [part for n, part in enumerate(parts) if part not in parts[:n]]
    if isinstance(value, int) and not isinstance(value, bool) and 30000 <= value <= 32767:
        return "NODE PORT"
    if isinstance(value, str):
        for pattern, word in _MASKS:
            value = pattern.sub(word, value)
    return value
