"""What the metadata service fills in, and what it must not be able to do."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import threading

import pytest

from cloudprovider.errors import InvalidConfiguration
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_alicloud.config import AlicloudConfig, VSwitch
from cloudprovider_alicloud.metadata import MetadataError, MetadataService, complete

HERE = {
    "region-id": "cn-hangzhou",
    "zone-id": "cn-hangzhou-h",
    "vpc-id": "vpc-here",
    "vswitch-id": "vsw-here",
}


class Fake:
    """Answers from a dict; fails the first ``failures`` times."""

    def __init__(self, values, failures=0):
        self.values = values
        self.failures = failures
        self.asked = []

    def get(self, path):
        self.asked.append(path)
        if len(self.asked) <= self.failures or path not in self.values:
            raise MetadataError(f"nothing at {path}")
        return self.values[path]


def test_everything_that_is_missing_is_filled_in():
    assert complete(AlicloudConfig(region=""), Fake(HERE)) == AlicloudConfig(
        region="cn-hangzhou",
        zone_id="cn-hangzhou-h",
        vpc_id="vpc-here",
        vswitches=(VSwitch("vsw-here", "cn-hangzhou-h"),),
    )


def test_a_complete_config_asks_nothing():
    config = AlicloudConfig(
        region="cn-beijing", zone_id="z", vpc_id="vpc-1", vswitches=(VSwitch("v"),)
    )
    fake = Fake(HERE)
    assert complete(config, fake) is config
    assert fake.asked == []


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(AlicloudConfig(region="cn-beijing"), id="another region"),
        pytest.param(AlicloudConfig(region="cn-hangzhou", vpc_id="vpc-other"), id="another VPC"),
    ],
)
def test_a_machine_elsewhere_says_nothing_about_the_cluster(config):
    assert complete(config, Fake(HERE)) == config


def test_what_is_configured_stays():
    config = AlicloudConfig(region="cn-hangzhou", vswitches=(VSwitch("vsw-mine"),))
    found = complete(config, Fake(HERE))
    assert (found.vpc_id, found.vswitches) == ("vpc-here", (VSwitch("vsw-mine"),))


def test_outside_the_cloud_a_configured_region_is_enough():
    config = AlicloudConfig(region="cn-hangzhou")
    fake = Fake({})
    assert complete(config, fake) == config
    assert len(fake.asked) == 1


def test_the_region_is_asked_for_repeatedly():
    world = VirtualConcurrency()

    def main():
        found = complete(AlicloudConfig(region=""), Fake(HERE, failures=3), concurrency=world)
        assert found.region == "cn-hangzhou"
        assert world.monotonic() == pytest.approx(0.6)

    world.run(main)


@pytest.mark.parametrize(
    ("values", "problem"),
    [({}, "nothing at region-id"), ({"region-id": "x/../y"}, "no region id")],
)
def test_no_region_at_all_is_a_wrong_configuration(values, problem):
    world = VirtualConcurrency()

    def main():
        with pytest.raises(InvalidConfiguration, match=problem) as caught:
            complete(AlicloudConfig(region=""), Fake(values), concurrency=world)
        assert caught.value.field == "Global.region"

    world.run(main)


def test_an_endpoint_that_the_region_lacks_is_found_at_the_start():
    with pytest.raises(InvalidConfiguration, match="SLB_ENDPOINT"):
        complete(AlicloudConfig(region=""), Fake({"region-id": "cn-hangzhou-finance"}))


# -- over HTTP -------------------------------------------------------------------------------


@dataclasses.dataclass
class Server:
    """Answers requests in turn, one for each connection."""

    answers: list[bytes]

    def __post_init__(self):
        self.requests: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        for answer in self.answers:
            with contextlib.suppress(OSError):
                connection, _ = self._listener.accept()
                with connection:
                    self.requests.append(connection.recv(65536).decode())
                    connection.sendall(answer)

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5.0)


@pytest.fixture
def serve():
    servers = []

    def start(*answers):
        servers.append(Server(list(answers)))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def reply(status, body, *headers):
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


def test_a_token_is_fetched_once_and_sent(serve):
    server = serve(reply("200 OK", "tok-1"), reply("200 OK", "vpc-1\n"), reply("200 OK", "z"))
    service = MetadataService(server.host)
    assert service.get("vpc-id") == "vpc-1"
    assert service.get("zone-id") == "z"
    token, first, second = server.requests
    assert token.startswith("PUT /latest/api/token ")
    assert "X-aliyun-ecs-metadata-token-ttl-seconds: 21600" in token
    assert first.startswith("GET /latest/meta-data/vpc-id ")
    assert "X-aliyun-ecs-metadata-token: tok-1" in first
    assert "tok-1" in second


def test_without_tokens_the_older_form_is_used(serve):
    server = serve(reply("404 Not Found", "no"), reply("200 OK", "vpc-1"))
    assert MetadataService(f"http://{server.host}/latest/meta-data/").get("vpc-id") == "vpc-1"
    assert "metadata-token" not in server.requests[1]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(reply("404 Not Found", "no"), id="absent"),
        pytest.param(reply("200 OK", "<html>portal</html>"), id="HTML"),
        pytest.param(reply("200 OK", ""), id="empty"),
        pytest.param(reply("200 OK", "x" * 100_000), id="large"),
        pytest.param(reply("302 Found", "", "Location: http://example.com/"), id="redirect"),
        pytest.param(b"nonsense\r\n\r\n", id="no HTTP"),
        pytest.param(b"", id="closed"),
    ],
)
def test_answers_that_are_no_value_are_errors(serve, answer):
    server = serve(reply("200 OK", "tok-1"), answer)
    with pytest.raises(MetadataError):
        MetadataService(server.host).get("vpc-id")


def test_a_service_that_does_not_answer_costs_little_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(MetadataError, match="does not answer"):
            MetadataService(host, timeout=0.05).get("vpc-id")


def test_a_proxy_in_the_environment_is_not_asked(serve, monkeypatch):
    server = serve(reply("200 OK", "tok-1"), reply("200 OK", "vpc-1"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert MetadataService(server.host).get("vpc-id") == "vpc-1"


@pytest.mark.parametrize("endpoint", ["ftp://x", "http://x/other"])
def test_an_address_that_is_none_is_refused(endpoint):
    with pytest.raises(InvalidConfiguration, match="METADATA_ENDPOINT"):
        MetadataService(endpoint)


def test_the_address_is_the_clouds_own_unless_set():
    assert str(MetadataService().endpoint) == "http://100.100.100.200"
