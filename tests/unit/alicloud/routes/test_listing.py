"""From entries of route tables to routes."""

import pytest

from cloudprovider.errors import InvalidConfiguration, Throttled
from cloudprovider.testing.faults import Fault
from cloudprovider_alicloud.emulator.resources import NextHop

MINE, OTHERS = "k8s/route/uid/c-mine", "k8s/route/uid/c-other"


def test_an_entry_to_one_instance_is_a_route(cloud):
    def scene():
        cloud.put("172.16.1.0/24", "i-1", description=MINE)
        [route] = [r for r in cloud.routes.list_routes("x") if r.target_node == "i-1"]
        assert (route.name, route.destination_cidr) == (cloud.table, "172.16.1.0/24")
        assert (route.owned, route.ready, route.blackhole) == (True, True, False)

    cloud.run(scene)


@pytest.mark.parametrize(
    ("cidr", "fields"),
    [
        pytest.param("0.0.0.0/0", {}, id="the default route"),
        pytest.param("172.16.1.0/24", {"status": "Deleting"}, id="being deleted"),
        pytest.param(
            "172.16.1.0/24", {"next_hops": (NextHop(id="i-1"), NextHop(id="i-2"))}, id="ECMP"
        ),
        pytest.param(
            "172.16.1.0/24", {"next_hops": (NextHop(id="ngw-1", type="NatGateway"),)}, id="gateway"
        ),
        pytest.param("172.16.1.0/24", {"next_hops": ()}, id="nowhere"),
        pytest.param("172.16.1.0/24", {"type": "System"}, id="the system's"),
    ],
)
def test_what_cannot_be_a_nodes_is_not_shown(cloud, cidr, fields):
    def scene():
        cloud.put(cidr, "i-1", **fields)
        assert cidr not in cloud.listed()

    cloud.run(scene)


@pytest.mark.parametrize(
    ("fields", "owned", "ready"),
    [
        pytest.param({}, None, True, id="without a mark"),
        pytest.param({"description": OTHERS}, False, True, id="another cluster's"),
        pytest.param({"description": MINE}, True, True, id="marked"),
        pytest.param({"description": MINE, "status": "Pending"}, True, False, id="pending"),
    ],
)
def test_whose_a_route_is_and_whether_it_works(cloud, fields, owned, ready):
    def scene():
        cloud.put("172.16.1.0/24", "i-1", **fields)
        route = cloud.listed()["172.16.1.0/24"]
        assert (route.owned, route.ready) == (owned, ready)

    cloud.run(scene)


def test_a_table_of_many_pages_is_two_calls_for_its_name_and_pages_of_a_hundred(cloud):
    def scene():
        for number in range(250):
            cloud.put(f"172.16.{number}.0/24", "i-1")
        assert len(cloud.listed()) == 251
        assert cloud.calls() == ["DescribeRouteTableList", *["DescribeRouteEntryList"] * 3]
        cloud.forget()
        cloud.listed()
        assert cloud.calls() == ["DescribeRouteEntryList"] * 3

    cloud.run(scene)


class TestWhichTables:
    def test_those_of_the_configuration_are_not_looked_up(self, cloud_with):
        cloud = cloud_with()

        def scene():
            routes = cloud.connect(route_table_ids=(cloud.table,), vpc_id="")
            routes.list_routes("x")
            assert cloud.calls() == ["DescribeRouteEntryList"]

        cloud.run(scene)

    def test_two_tables_of_a_vpc_must_be_named(self, cloud):
        def scene():
            second = cloud.add_table()
            with pytest.raises(InvalidConfiguration) as caught:
                cloud.listed()
            text = str(caught.value)
            expected = f"multiple route tables found by vpc id[{cloud.start.vpc}], length(tables)=2"
            assert expected in text
            assert "Global.routeTableIDs" in text
            assert second in text
            assert cloud.table in text

        cloud.run(scene)

    def test_no_table_is_told(self, cloud_with):
        cloud = cloud_with(vpc_id="vpc-none")

        def scene():
            with pytest.raises(
                InvalidConfiguration, match=r"no route tables found by vpc id\[vpc-"
            ):
                cloud.listed()

        cloud.run(scene)

    def test_without_a_vpc_nothing_is_asked(self, cloud_with):
        cloud = cloud_with(vpc_id="")

        def scene():
            with pytest.raises(InvalidConfiguration, match=r"Global\.vpcid"):
                cloud.listed()
            assert cloud.calls() == []

        cloud.run(scene)

    def test_a_table_that_is_gone_is_looked_for_anew(self, cloud):
        def scene():
            cloud.listed()
            old = cloud.core.state.route_tables[cloud.table]
            new = cloud.add_table()
            cloud.core.state.remove(old)
            with pytest.raises(InvalidConfiguration, match="RouteTableId"):
                cloud.listed()
            cloud.put("172.16.1.0/24", "i-1", table=new)
            assert cloud.listed()["172.16.1.0/24"].name == new

        cloud.run(scene)

    def test_of_two_tables_each_must_have_the_entry(self, cloud_with):
        cloud = cloud_with()

        def scene():
            second = cloud.add_table()
            cloud.routes = cloud.connect(route_table_ids=(cloud.table, second))
            cloud.put("172.16.1.0/24", "i-1", description=MINE)
            cloud.put("172.16.1.0/24", "i-1", table=second)
            cloud.put("172.16.2.0/24", "i-2")
            listed = cloud.listed()
            assert listed["172.16.1.0/24"].name == f"{cloud.table},{second}"
            assert listed["172.16.1.0/24"].ready
            assert listed["172.16.1.0/24"].owned is None
            assert not listed["172.16.2.0/24"].ready

        cloud.run(scene)


def test_a_listing_that_fails_is_an_error_and_no_empty_table(cloud):
    def scene():
        cloud.core.faults.add(Fault(kind="throttle", op="DescribeRouteEntryList", times=None))
        with pytest.raises(Throttled):
            cloud.listed()

    cloud.run(scene)
