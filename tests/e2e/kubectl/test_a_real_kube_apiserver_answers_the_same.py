"""The recorded answers are still what a real kube-apiserver gives.

``RECORD_ANSWERS=1`` writes them anew.
"""

from __future__ import annotations

import json
import os
import pathlib
import ssl
import urllib.error
import urllib.request

import apiserver_conversation
import pytest
from apiserver_conversation import converse, to_text
from controlplane import ADMIN_TOKEN, ControlPlane, Unavailable

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]
RECORDED = pathlib.Path(apiserver_conversation.__file__).with_name("answers.json")


@pytest.fixture
def call(tmp_path):
    try:
        with ControlPlane(tmp_path / "plane") as plane:
            context = ssl.create_default_context(cafile=plane.ca_file)

            def send(method, path, body, kind):
                request = urllib.request.Request(plane.url + path, data=body, method=method)
                request.add_header("Authorization", f"Bearer {ADMIN_TOKEN}")
                request.add_header("User-Agent", "tester/1")
                request.add_header("Content-Type", kind)
                try:
                    with urllib.request.urlopen(request, timeout=20, context=context) as answer:
                        return answer.status, answer.read().decode()
                except urllib.error.HTTPError as refusal:
                    return refusal.code, refusal.read().decode()

            yield send
    except Unavailable as reason:
        pytest.skip(str(reason))


def test_recorded_answers_are_those_of_a_real_server(call):
    found = json.loads(json.dumps(converse(call)))
    if os.environ.get("RECORD_ANSWERS"):
        RECORDED.write_text(to_text(found))
    recorded = json.loads(RECORDED.read_text())
    different = {name: found[name] for name in found if found[name] != recorded.get(name)}
    assert not different
