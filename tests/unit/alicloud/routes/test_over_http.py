"""The real SDK against the emulator over HTTP, with real signatures and typed fields."""

import io

import pytest

from cloudprovider.interface import Route
from cloudprovider.testing.emulation import EmulatorOptions
from cloudprovider_alicloud.emulator.server import AlicloudEmulator
from cloudprovider_alicloud.provider import new_alicloud


@pytest.fixture
def emulator(monkeypatch):
    server = AlicloudEmulator(EmulatorOptions(seed=1, cluster_id="c-1"))
    server.start()
    for name in ("HTTP_PROXY", "http_proxy", "ACCESS_KEY_ID", "ACCESS_KEY_SECRET"):
        monkeypatch.delenv(name, raising=False)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    yield server
    server.stop()


def test_the_life_of_routes(emulator):
    made = [emulator.launch_instance() for _ in range(2)]
    routes = new_alicloud(io.StringIO(emulator.cloud_config())).routes()
    wanted = [
        ("uid-1", Route("", item.instance_id, f"172.16.{number}.0/24"))
        for number, item in enumerate(made)
    ]
    assert routes.create_routes("kubernetes", wanted) == [None, None]
    listed = {route.destination_cidr: route for route in routes.list_routes("kubernetes")}
    mine = [listed[route.destination_cidr] for _, route in wanted]
    assert [route.target_node for route in mine] == [item.instance_id for item in made]
    assert all(route.owned and route.ready for route in mine)
    assert routes.delete_routes("kubernetes", mine) == [None, None]
    assert len(routes.list_routes("kubernetes")) == len(listed) - 2
    records = emulator.journal.records()
    assert {record.outcome for record in records} == {"ok"}
    assert [record.op for record in records if record.write] == [
        "CreateRouteEntries",
        "DeleteRouteEntries",
    ]
