"""Keys, permissions and a region that the cloud refuses.

The manager stays up, says once on each Node and Service what is wrong and what to do, asks again
ever more slowly, and does the work as soon as it can.
"""

import base64
import re
from collections.abc import Callable
from concurrent import futures
from typing import Any

import msgspec
import pytest

pytestmark = pytest.mark.e2e

#: The code and the id with which the cloud's support can find the call.
ORIGIN = r"\(code {code}, request [0-9A-F]{{8}}-[0-9A-F-]+\)"


def base64_of(text):
    return base64.b64encode(text.encode()).decode()


def change_key(world, **values):
    """Change the access key in the cloud."""
    state = world.emulator.core.state
    with world.emulator.core.lock:
        state.change(next(iter(state.access_keys.values())), **values)


class Case(msgspec.Struct, frozen=True):
    """A refusal: how it comes, what is said on Service and Node, how it goes."""

    service: str  #: regular expression
    code: str
    node: str = ""  #: regular expression; empty = nodes are well
    config: dict[str, str] = {}
    before: dict[str, Any] = {}  #: of the access key in the cloud
    after: dict[str, Any] = {}
    ecs: bool = True  #: whether the cloud is asked about nodes


UNKNOWN = (
    "the access key id is unknown to the cloud: check Global.accessKeyID in the cloud config, "
    "or ACCESS_KEY_ID, and restart the manager "
)
MISMATCH = (
    "the secret does not belong to the access key id: check Global.accessKeySecret in the cloud "
    "config, or ACCESS_KEY_SECRET, and restart the manager "
)
DISABLED = "the access key is disabled: enable it or use another "

CASES = {
    "unknown-key": Case(
        f"slb:DescribeLoadBalancers refused: {UNKNOWN}",
        "InvalidAccessKeyId.NotFound",
        f"ecs:DescribeInstances refused: {UNKNOWN}",
        config={"accessKeyID": base64_of("LTAIcanary")},
    ),
    "wrong-secret": Case(
        f"slb:DescribeLoadBalancers refused: {MISMATCH}",
        "SignatureDoesNotMatch",
        f"ecs:DescribeInstances refused: {MISMATCH}",
        config={"accessKeySecret": base64_of("canary-secret")},
    ),
    "unknown-region": Case(
        "Global.region='cn-nowhere': the cloud does not know this region ",
        "InvalidRegionId.NotFound",
        r"cn-hangzhou\.i-\w+ is in another region than ours, which is cn-nowhere: Global.region in "
        "the cloud config must be the region of the nodes$",
        config={"region": "cn-nowhere"},
        ecs=False,
    ),
    "disabled-key": Case(
        f"slb:DescribeLoadBalancers refused: {DISABLED}",
        "InvalidAccessKeyId.Inactive",
        f"ecs:DescribeInstances refused: {DISABLED}",
        before={"active": False},
        after={"active": True},
    ),
    "missing-permission": Case(
        "slb:CreateLoadBalancer refused: the RAM user or role of the access key lacks this "
        "permission: allow it in its policy ",
        r"Forbidden\.RAM",
        before={"denied": ("slb:CreateLoadBalancer",)},
        after={"denied": ()},
    ),
}


class Scene:
    """One case in a world of its own."""

    def __init__(self, world, case: Case, until: Callable[..., Any]):
        self.world, self.case, self.until = world, case, until
        change_key(world, **case.before)
        world.join("node")
        world.expose("web")
        self.process = world.start(config=world.config(**case.config))

    def wait(self, tries):
        """Until the Service was tried so often, and the Node at least once."""
        self.until(lambda: self.process.tries("service: default/web") >= tries, "tries")
        if self.case.node:
            self.until(lambda: self.world.warnings("node"), "event on the node")

    def restart(self):
        """Start the manager again, with a good config."""
        assert self.process.stop() == 0
        self.world.start()


@pytest.fixture(scope="module")
def scenes(tmp_path_factory, new_world, until):
    """All cases side by side: most of the time they wait.

    What can be put right in the cloud is, after the first try. The others are tried twice.
    """
    made = {}
    try:
        for name, case in CASES.items():
            world = new_world(tmp_path_factory.mktemp(name))
            made[name] = Scene(world.__enter__(), case, until)
        for scene in made.values():
            if scene.case.after:
                scene.wait(tries=1)
                change_key(scene.world, **scene.case.after)
        for scene in made.values():
            if not scene.case.after:
                scene.wait(tries=2)
        yield made
    finally:
        with futures.ThreadPoolExecutor() as pool:
            list(pool.map(lambda scene: scene.world.__exit__(), made.values()))


@pytest.fixture(params=CASES)
def scene(request, scenes):
    return scenes[request.param]


def test_the_service_is_told_once_what_to_do(scene):
    (event,) = scene.world.warnings("web")
    assert (event["reason"], event["count"]) == ("SyncLoadBalancerFailed", 1)
    opening = "Error syncing load balancer: failed to ensure load balancer: "
    said = opening + scene.case.service + ORIGIN.format(code=scene.case.code)
    assert re.match(said, event["message"])


def test_the_node_is_told_once_what_to_do(scene):
    if not scene.case.node:
        assert scene.world.initialized("node")
        assert scene.world.warnings("node") == []
        return
    (event,) = scene.world.warnings("node")
    assert (event["reason"], event["count"]) == ("FailedToInitialize", 1)
    opening = "failed to get instance metadata for node node: "
    origin = ORIGIN.format(code=scene.case.code) if scene.case.ecs else ""
    assert re.match(opening + scene.case.node + origin, event["message"])


def test_the_log_says_it_too_and_shows_no_secret(scene):
    assert any(re.search(scene.case.service, line) for line in scene.process.errors())
    text = scene.process.text()
    for secret in ("canary", "emulator-secret", "Signature=", "Traceback"):
        assert secret not in text


def test_the_manager_stays_up_and_asks_ever_more_slowly(scene):
    assert scene.process.healthy()
    assert scene.process.popen.poll() is None
    refused = [call.api for call in scene.world.cloud_calls() if call.outcome != "ok"]
    # One call a try; tries of a Service after 5 s, 10 s, …, of a Node after 1 s, 2 s, 4 s, ….
    assert refused.count("slb") == scene.process.tries("service: default/web") <= 3
    assert refused.count("ecs") <= scene.process.tries("Nodes: node") <= 5
    assert ("ecs" in refused) == (bool(scene.case.node) and scene.case.ecs)


def test_put_right_in_the_cloud_or_in_the_config_the_work_is_done(scenes, until):
    """Last in this module: it changes the scenes."""
    for scene in scenes.values():
        if scene.case.config:
            scene.restart()
    for name, scene in scenes.items():
        until(lambda world=scene.world: world.initialized("node"), f"{name}: node")
        until(lambda world=scene.world: world.address("web"), f"{name}: address")
        assert len(scene.world.warnings("web")) == 1
