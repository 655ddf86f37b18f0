"""Creating and deleting entries: batches, partial failures, lost answers, quotas."""

import dataclasses

import pytest

from cloudprovider.errors import (
    NotOwned,
    QuotaExceeded,
    RetryLater,
    Unauthorized,
)
from cloudprovider.testing.faults import Fault

A, B, C = "172.16.1.0/24", "172.16.2.0/24", "172.16.3.0/24"


def cidrs(count):
    return [f"172.{16 + number // 256}.{number % 256}.0/24" for number in range(count)]


def test_routes_are_created_marked_and_in_force(cloud):
    def scene():
        one, two = cloud.launch(), cloud.launch()
        cloud.listed()
        cloud.forget()
        assert cloud.create((A, one), (B, two)) == [None, None]
        assert cloud.entries() == {A: one, B: two}
        assert cloud.calls() == ["CreateRouteEntries", "DescribeRouteEntryList"]
        assert cloud.listed()[A].owned
        assert all(route.ready for route in cloud.listed().values())

    cloud.run(scene)


def test_what_is_there_is_not_sent_again(cloud):
    def scene():
        one = cloud.launch()
        cloud.create((A, one))
        cloud.listed()
        cloud.forget()
        assert cloud.create((A, one)) == [None]
        assert cloud.calls() == []

    cloud.run(scene)


@pytest.mark.parametrize(("count", "calls"), [(1, 1), (50, 1), (51, 2), (120, 3)])
def test_fifty_are_one_call(cloud, count, calls):
    def scene():
        one = cloud.launch()
        cloud.listed()
        cloud.forget()
        assert cloud.create(*[(cidr, one) for cidr in cidrs(count)]) == [None] * count
        assert cloud.calls().count("CreateRouteEntries") == calls
        listed = list(cloud.listed().values())
        mine = [route for route in listed if route.target_node == one]
        cloud.forget()
        assert cloud.delete(*mine) == [None] * count
        assert cloud.calls() == ["DeleteRouteEntries"] * calls
        assert cloud.entries() == {}

    cloud.run(scene)


def test_an_ipv6_range_is_sent_as_one(cloud):
    def scene():
        one = cloud.launch()
        assert cloud.create(("fd00:1::/64", one)) == [None]
        [record] = [r for r in cloud.core.journal.records() if r.op == "CreateRouteEntries"]
        assert record.args["RouteEntries.1.IpVersion"] == "6"

    cloud.run(scene)


def test_an_entry_that_is_refused_stops_no_other(cloud):
    def scene():
        one = cloud.launch()
        inside_a_vswitch = "10.0.1.0/24"
        first, second, third = cloud.create((A, one), (inside_a_vswitch, one), (B, "i-unknown"))
        assert first is None
        assert second.code == "VPC_ROUTE_ENTRY_CIDR_BLOCK_INVALID"
        assert third.code == "VPC_ROUTE_ENTRY_NEXT_HOP_NOT_EXIST"
        assert third.request_id
        assert cloud.entries() == {A: one}

    cloud.run(scene)


def test_a_batch_that_is_refused_as_a_whole_is_searched_for_the_culprit(cloud):
    """The cloud does not say which entry it means."""

    def scene():
        one = cloud.launch()
        wanted = cidrs(8)
        refuse_batches_with(cloud, wanted[5])
        outcomes = cloud.create(*[(cidr, one) for cidr in wanted])
        assert [index for index, outcome in enumerate(outcomes) if outcome] == [5]
        assert len(cloud.entries()) == 7

    cloud.run(scene)


def refuse_batches_with(cloud, cidr):
    """Make the cloud refuse every batch that has ``cidr``."""
    from cloudprovider_alicloud.api.caller import CallFailed

    caller = cloud.routes._vpc._api._caller
    send = caller.call

    def call(product, action, params, **options):
        if action == "CreateRouteEntries" and cidr in params.values():
            raise CallFailed("no", code="InvalidSomething", http_status=400, sent="answered")
        return send(product, action, params, **options)

    caller.call = call


def test_a_batch_that_can_never_pass_costs_a_bounded_number_of_calls(cloud):
    def scene():
        one = cloud.launch()
        cloud.core.faults.add(
            Fault(kind="error", op="CreateRouteEntries", code="InvalidSomething", times=None)
        )
        outcomes = cloud.create(*[(cidr, one) for cidr in cidrs(50)])
        assert all(outcome.code == "InvalidSomething" for outcome in outcomes)
        assert cloud.calls().count("CreateRouteEntries") < 40

    cloud.run(scene)


@pytest.mark.parametrize("kind", ["lost_answer", "truncated", "malformed", "duplicate"])
def test_a_lost_answer_is_looked_up_and_not_sent_again(cloud, kind):
    def scene():
        one = cloud.launch()
        cloud.core.faults.add(Fault(kind=kind, op="CreateRouteEntries"))
        assert cloud.create((A, one), (B, one)) == [None, None]
        assert cloud.calls().count("CreateRouteEntries") == 1

    cloud.run(scene)


def test_a_deletion_whose_answer_is_lost_is_looked_up(cloud):
    def scene():
        one = cloud.launch()
        cloud.create((A, one))
        cloud.core.faults.add(Fault(kind="lost_answer", op="DeleteRouteEntries"))
        assert cloud.delete(cloud.listed()[A]) == [None]
        assert cloud.calls().count("DeleteRouteEntries") == 1

    cloud.run(scene)


def test_a_creation_that_cannot_be_looked_up_comes_again(cloud):
    def scene():
        one = cloud.launch()
        cloud.listed()
        cloud.core.faults.add(Fault(kind="throttle", op="DescribeRouteEntryList", times=None))
        [outcome] = cloud.create((A, one))
        assert isinstance(outcome, RetryLater)
        cloud.core.faults.clear()
        cloud.clock.sleep(100)  # the budget recovers
        assert cloud.create((A, one)) == [None]
        assert cloud.calls().count("CreateRouteEntries") == 1

    cloud.run(scene)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("Forbidden.RAM", Unauthorized),
        ("Throttling.User", RetryLater),
        ("TaskConflict", RetryLater),
    ],
)
def test_what_meets_every_batch_ends_the_work(cloud, code, kind):
    def scene():
        one = cloud.launch()
        cloud.listed()
        cloud.core.faults.add(Fault(kind="error", op="CreateRouteEntries", code=code, times=None))
        outcomes = cloud.create(*[(cidr, one) for cidr in cidrs(120)])
        assert all(isinstance(outcome, kind) for outcome in outcomes)
        batches = {
            record.args["RouteEntries.1.DstCidrBlock"]
            for record in cloud.core.journal.records()
            if record.op == "CreateRouteEntries"
        }
        assert len(batches) == 1

    cloud.run(scene)


class TestWhileTheCloudIsChanging:
    def test_a_pending_entry_is_later_and_then_done(self, cloud):
        def scene():
            cloud.core.settings.delays.route_create = 3.0
            one = cloud.launch()
            [outcome] = cloud.create((A, one))
            assert isinstance(outcome, RetryLater)
            assert not cloud.listed()[A].ready
            cloud.forget()
            assert isinstance(cloud.create((A, one))[0], RetryLater)
            assert cloud.calls() == []  # it was just listed
            cloud.clock.sleep(4)
            assert cloud.listed()[A].ready
            assert cloud.create((A, one)) == [None]

        cloud.run(scene)

    def test_a_second_batch_waits_for_the_first(self, cloud):
        def scene():
            cloud.core.settings.delays.route_create = 1.0
            one = cloud.launch()
            outcomes = cloud.create(*[(cidr, one) for cidr in cidrs(60)])
            assert all(o is None or isinstance(o, RetryLater) for o in outcomes)
            cloud.clock.sleep(2)
            assert all(route.ready for route in cloud.listed().values())
            assert len(cloud.entries()) == 60
            assert set(cloud.statuses().values()) == {"Available"}

        cloud.run(scene)

    def test_an_entry_that_is_being_deleted_is_later_for_the_next_one(self, cloud):
        def scene():
            cloud.core.settings.delays.route_delete = 60.0
            one, two = cloud.launch(), cloud.launch()
            cloud.create((A, one))
            assert cloud.delete(cloud.listed()[A]) == [None]
            assert A not in cloud.listed()
            [outcome] = cloud.create((A, two))
            assert isinstance(outcome, RetryLater)
            cloud.clock.sleep(61)
            cloud.listed()
            assert cloud.create((A, two)) == [None]
            assert cloud.entries() == {A: two}

        cloud.run(scene)

    def test_an_entry_that_cannot_be_deleted_now_is_later(self, cloud):
        def scene():
            cloud.core.settings.delays.route_create = -1.0  # for ever
            one = cloud.launch()
            cloud.create((A, one))
            [outcome] = cloud.delete(cloud.listed()[A])
            assert isinstance(outcome, RetryLater)

        cloud.run(scene)


class TestQuota:
    def test_a_full_table_is_told_with_its_figures(self, cloud):
        def scene():
            cloud.core.settings.quotas.routes_per_table = 3  # one is the office's
            one = cloud.launch()
            outcomes = cloud.create(*[(cidr, one) for cidr in cidrs(4)])
            assert outcomes[:2] == [None, None]
            assert all(isinstance(outcome, QuotaExceeded) for outcome in outcomes[2:])
            text = str(outcomes[3])
            assert f"route table {cloud.table} is full: it has 3 custom entries" in text
            assert "takes no 2 more" in text
            assert "Quota Center" in text
            assert outcomes[3].request_id

        cloud.run(scene)

    def test_it_is_then_known_in_advance(self, cloud):
        def scene():
            cloud.core.settings.quotas.routes_per_table = 3
            one = cloud.launch()
            cloud.create(*[(cidr, one) for cidr in cidrs(4)])
            cloud.forget()
            [outcome] = cloud.create((C, one))
            assert isinstance(outcome, QuotaExceeded)
            assert cloud.calls() == []

        cloud.run(scene)

    def test_room_that_was_made_is_used_at_once(self, cloud):
        def scene():
            cloud.core.settings.quotas.routes_per_table = 3
            one = cloud.launch()
            cloud.create(*[(cidr, one) for cidr in cidrs(4)])
            cloud.delete(cloud.listed()["172.16.0.0/24"])
            first, second = cloud.create((C, one), ("172.16.4.0/24", one))
            assert first is None
            assert isinstance(second, QuotaExceeded)

        cloud.run(scene)

    def test_a_quota_that_was_raised_is_found_out(self, cloud):
        def scene():
            cloud.core.settings.quotas.routes_per_table = 3
            one = cloud.launch()
            cloud.create(*[(cidr, one) for cidr in cidrs(4)])
            cloud.core.settings.quotas.routes_per_table = 10
            cloud.clock.sleep(601)
            cloud.listed()
            assert cloud.create((C, one)) == [None]

        cloud.run(scene)

    def test_the_documented_quota_is_a_warning_and_no_limit(self, cloud, caplog):
        def scene():
            cloud.core.settings.quotas.routes_per_table = 1000  # raised
            one = cloud.launch()
            assert cloud.create(*[(cidr, one) for cidr in cidrs(210)]) == [None] * 210

        cloud.run(scene)
        assert "takes 200, unless the quota of the account was raised" in caplog.text


class TestWhatIsNotOurs:
    @pytest.mark.parametrize("description", ["", "k8s/route/uid/c-other"])
    def test_a_range_that_is_routed_elsewhere_is_refused(self, cloud, description):
        def scene():
            one, two = cloud.launch(), cloud.launch()
            cloud.put(A, two, description=description)
            cloud.listed()
            cloud.forget()
            [outcome] = cloud.create((A, one))
            assert isinstance(outcome, NotOwned)
            assert two in str(outcome)
            assert cloud.calls() == []
            assert cloud.entries() == {A: two}

        cloud.run(scene)

    def test_deletion_means_this_destination_and_this_instance(self, cloud):
        def scene():
            one, two = cloud.launch(), cloud.launch()
            cloud.create((A, one))
            listed = cloud.listed()[A]
            wrong = dataclasses.replace(listed, target_node=two)
            assert cloud.delete(wrong) == [None]
            assert cloud.entries() == {A: one}

        cloud.run(scene)

    def test_what_is_gone_already_is_no_error(self, cloud):
        def scene():
            one = cloud.launch()
            cloud.create((A, one))
            listed = cloud.listed()[A]
            assert cloud.delete(listed) == [None]
            assert cloud.delete(listed) == [None]

        cloud.run(scene)


class TestSeveralTables:
    def test_a_node_has_its_route_in_each(self, cloud_with):
        cloud = cloud_with()

        def scene():
            second = cloud.add_table()
            cloud.routes = cloud.connect(route_table_ids=(cloud.table, second))
            one = cloud.launch()
            assert cloud.create((A, one)) == [None]
            assert cloud.entries() == cloud.entries(second) == {A: one}
            assert cloud.delete(cloud.listed()[A]) == [None]
            assert cloud.entries() == cloud.entries(second) == {}

        cloud.run(scene)

    def test_a_missing_half_is_completed_without_touching_the_other(self, cloud_with):
        cloud = cloud_with()

        def scene():
            second = cloud.add_table()
            cloud.routes = cloud.connect(route_table_ids=(cloud.table, second))
            one = cloud.launch()
            kept = cloud.put(A, one)
            assert not cloud.listed()[A].ready
            assert cloud.create((A, one)) == [None]
            assert cloud.listed()[A].ready
            assert cloud.core.state.route_entries[kept.id] == kept

        cloud.run(scene)

    def test_one_full_table_is_an_error_of_the_route(self, cloud_with):
        cloud = cloud_with()

        def scene():
            second = cloud.add_table()
            cloud.core.settings.quotas.routes_per_table = 1  # the first has the office's
            cloud.routes = cloud.connect(route_table_ids=(cloud.table, second))
            [outcome] = cloud.create((A, cloud.launch()))
            assert isinstance(outcome, QuotaExceeded)

        cloud.run(scene)
