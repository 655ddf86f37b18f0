"""An emulated cloud, called in process or over loopback, and helpers to speak to it."""

import base64
import hashlib
import hmac
import json
import urllib.parse

import pytest
import urllib3

from cloudprovider.testing.emulation import EmulatorOptions
from cloudprovider_alicloud.emulator import world
from cloudprovider_alicloud.emulator.core import EmulatorCore
from cloudprovider_alicloud.emulator.server import new_emulator

REGION = "cn-hangzhou"


class Cloud:
    """An :class:`EmulatorCore` with its default world, and short ways to call it."""

    def __init__(self, **options):
        self.core = EmulatorCore(**{"seed": 1, **options})
        self.world = world.default_world(self.core)
        self.settings = self.core.settings
        self.state = self.core.state

    def reply(self, action, product="slb", **params):
        """The answer; parameter names may use ``__`` for a dot."""
        wire = {name.replace("__", "."): _text(value) for name, value in params.items()}
        wire.setdefault("RegionId", REGION)
        return self.core.call(product, action, wire, access_key_id=world.ACCESS_KEY_ID)

    def ok(self, action, product="slb", **params):
        """The body of an answer that must be a success."""
        reply = self.reply(action, product, **params)
        assert reply.status == 200, reply.body
        return reply.body

    def code(self, action, product="slb", **params):
        """The error code, or an empty string."""
        return self.reply(action, product, **params).code

    def load_balancer(self, **params):
        return self.ok("CreateLoadBalancer", **params)["LoadBalancerId"]

    def group(self, load_balancer, **params):
        body = self.ok("CreateVServerGroup", LoadBalancerId=load_balancer, **params)
        return body["VServerGroupId"]

    def listener(self, load_balancer, port=80, protocol="TCP", **params):
        params = {"Bandwidth": -1, "BackendServerPort": 8080, **params}
        name = f"CreateLoadBalancer{protocol}Listener"
        self.ok(name, LoadBalancerId=load_balancer, ListenerPort=port, **params)

    def listeners(self, load_balancer):
        body = self.ok("DescribeLoadBalancerListeners", LoadBalancerId__1=load_balancer)
        return body["Listeners"]

    def instance(self, name="", vswitch=0):
        with self.core.lock:
            return world.launch_instance(
                self.state,
                region=REGION,
                vswitch=self.world.vswitches[vswitch],
                host_name=name,
                now=self.core.now(),
            )

    def backends(self, group):
        body = self.ok("DescribeVServerGroupAttribute", VServerGroupId=group)
        return body["BackendServers"]["BackendServer"]


def _text(value):
    if isinstance(value, list | dict):
        return json.dumps(value)
    if isinstance(value, bool):
        return str(value)
    return str(value)


@pytest.fixture
def cloud():
    return Cloud()


@pytest.fixture
def cloud_factory():
    """Makes a :class:`Cloud`, for a test that needs it inside virtual time."""
    return Cloud


@pytest.fixture(scope="module")
def server():
    emulator = new_emulator(EmulatorOptions(seed=7, cluster_id="c1"))
    emulator.start()
    yield emulator
    emulator.stop()


@pytest.fixture
def emulator(server):
    """An emulator over HTTP in its state at the start."""
    server.reset()
    settings = server.core.settings
    settings.clock_offset, settings.imds_v2_only, settings.latency = 0.0, False, 0.0
    return server


@pytest.fixture(scope="session")
def http():
    with urllib3.PoolManager(retries=False, timeout=5) as pool:
        yield pool


@pytest.fixture
def v1(emulator, http):
    """Sends a request signed in the old way; written independently of the emulator."""

    def send(*, secret=world.ACCESS_KEY_SECRET, key=world.ACCESS_KEY_ID, **params):
        wire = {
            "Format": "JSON",
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "SignatureNonce": emulator.core.concurrency.uuid(),
            "AccessKeyId": key,
            "Timestamp": emulator.core.concurrency.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            **params,
        }
        canonical = "&".join(f"{_quoted(name)}={_quoted(wire[name])}" for name in sorted(wire))
        text = f"GET&%2F&{_quoted(canonical)}"
        digest = hmac.new(f"{secret}&".encode(), text.encode(), hashlib.sha1).digest()
        wire["Signature"] = base64.b64encode(digest).decode()
        response = http.request("GET", f"{emulator.url()}/?{urllib.parse.urlencode(wire)}")
        return response.status, response.json(), wire

    return send


def _quoted(text):
    return urllib.parse.quote(text, safe="~")
