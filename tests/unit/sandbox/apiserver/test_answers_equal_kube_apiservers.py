"""What a real kube-apiserver 1.36.3 answered to two hundred requests, ours answers too."""

from __future__ import annotations

import json
import pathlib

import pytest
from apiserver_conversation import converse
from apiserver_kube import Kube
from apiserver_requests import STEPS, WATCHES

NAMES = [*(step.name for step in STEPS), *(f"watch: {name}" for name, _ in WATCHES)]
RECORDED = json.loads(pathlib.Path(__file__).with_name("answers.json").read_text())


@pytest.fixture(scope="module")
def answers():
    kube = Kube()
    found = {}

    def call(method, path, body, kind):
        reply = kube.reply(method, path, body, type=kind)
        if reply.stream is None:
            return reply.status, reply.body.decode()
        chunks = []

        def read():
            chunks.extend(iter(lambda: reply.stream.next(), None))

        kube.hub.run(read)
        return reply.status, b"".join(chunks).decode()

    found.update(json.loads(json.dumps(converse(call))))
    return found


def test_every_step_has_a_recorded_answer():
    assert set(RECORDED) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_answer(answers, name):
    assert answers[name] == RECORDED[name]
