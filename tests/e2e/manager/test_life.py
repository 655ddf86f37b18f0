"""Start, leadership and stop of real processes."""

import signal
import time

import pytest

#: The administrator's, of conftest.
TOKEN = "canary-service-account-token"

pytestmark = pytest.mark.e2e

#: A lease short enough for a test to see it expire.
SHORT = (
    "--leader-elect-lease-duration=4s",
    "--leader-elect-renew-deadline=2s",
    "--leader-elect-retry-period=300ms",
)


def test_it_does_the_main_job_and_ends_in_order(cluster, until):
    process = cluster.start(*cluster.readable)
    until(lambda: cluster.holder())
    cluster.create_service()
    until(lambda: cluster.address() == "192.0.2.1")
    assert process.get("/healthz") == (200, "ok")
    assert process.get("/healthz", tls=False) == (200, "ok")
    assert "[+]service-lb-controller ok" in process.get("/readyz?verbose")[1]
    assert (
        'running_managed_controllers{manager="cloud-controller-manager",name="service"} 1.0'
        in process.get("/metrics", token=TOKEN)[1]
    )
    process.signal()
    assert process.wait() == 0
    assert cluster.holder() == ""
    assert "Traceback" not in process.text()


def test_sigint_ends_it_in_order_too(cluster, until):
    process = cluster.start()
    until(lambda: cluster.holder())
    process.signal(signal.SIGINT)
    assert process.wait() == 0
    assert cluster.holder() == ""


def test_one_of_two_leads_and_the_other_takes_over_at_once(cluster, until):
    first = cluster.start()
    until(lambda: cluster.holder())
    second = cluster.start()
    until(lambda: second.get("/readyz")[0] == 200)
    time.sleep(1)
    assert len(cluster.cloud_calls("build")) == 1  # a standby builds no provider
    before = cluster.holder()
    first.signal()
    assert first.wait() == 0
    taken = until(lambda: cluster.holder() not in ("", before), timeout=10)
    assert taken < 6
    until(lambda: len(cluster.cloud_calls("initialize")) == 2)
    cluster.create_service()
    until(lambda: cluster.address())
    assert {call["pid"] for call in cluster.cloud_calls("begin")} == {second.popen.pid}
    second.signal()
    assert second.wait() == 0


def test_after_a_crash_the_other_takes_over_when_the_lease_expired(cluster, until):
    first = cluster.start(*SHORT)
    until(lambda: cluster.holder())
    before = cluster.holder()
    cluster.start(*SHORT)
    time.sleep(1.5)
    first.popen.kill()
    first.wait()
    taken = until(lambda: cluster.holder() not in ("", before))
    assert 1 < taken < 8


def test_a_lost_lease_ends_the_process_before_it_expires(cluster, until):
    process = cluster.start(*SHORT)
    until(lambda: cluster.holder())
    cluster.http.stop()
    cut = time.monotonic()
    assert process.wait() == 1
    assert time.monotonic() - cut < 4
    assert "lost" in process.text()


def test_a_call_in_flight_ends_before_the_lease_is_given_back(cluster, until):
    process = cluster.start(FAKECLOUD_SECONDS="2")
    until(lambda: cluster.holder())
    cluster.create_service()
    until(lambda: cluster.cloud_calls("begin"))
    process.signal()
    time.sleep(0.5)
    assert cluster.holder() != ""
    assert process.wait() == 0
    assert len(cluster.cloud_calls("end")) == 1
    assert cluster.holder() == ""


def test_a_call_that_does_not_end_in_time_keeps_the_lease(cluster, until):
    process = cluster.start("--shutdown-timeout=1s", FAKECLOUD_SECONDS="60")
    until(lambda: cluster.holder())
    cluster.create_service()
    until(lambda: cluster.cloud_calls("begin"))
    process.signal()
    assert process.wait(10) == 1
    assert cluster.holder() != ""
    assert "the lease is left to expire" in process.text()


def test_a_second_signal_ends_it_at_once(cluster, until):
    process = cluster.start(FAKECLOUD_SECONDS="60")
    until(lambda: cluster.holder())
    cluster.create_service()
    until(lambda: cluster.cloud_calls("begin"))
    process.signal()
    time.sleep(0.5)
    assert process.popen.poll() is None
    process.signal()
    assert process.wait(2) == 1


def test_it_waits_for_an_api_server_that_is_not_there_yet(cluster, until):
    cluster.http.stop()
    text = cluster.kubeconfig.read_text()
    process = cluster.start()
    until(lambda: process.get("/healthz")[0] == 200)
    time.sleep(0.5)
    assert process.popen.poll() is None
    assert "could not acquire the lease" in process.text()
    assert text == cluster.kubeconfig.read_text()
    process.signal()
    assert process.wait() == 0


def test_only_the_chosen_provider_is_loaded(cluster, until):
    cluster.start()
    until(lambda: cluster.cloud_calls("initialize"))
    modules = cluster.cloud_calls("initialize")[0]["modules"]
    assert "fakecloud" in modules
    foreign = ("alibabacloud", "Tea", "boto", "cloudprovider_alicloud", "cloudprovider_aws")
    assert [name for name in modules if name.startswith((*foreign, "kubernetes"))] == []


def test_no_credential_is_logged_at_any_verbosity(cluster, until):
    flags = ("--v=10", "--profiling", "--use-service-account-credentials=true")
    process = cluster.start(*flags, *cluster.readable)
    until(lambda: cluster.holder())
    cluster.create_service()
    until(lambda: cluster.address())
    pages = [process.get(path, token=TOKEN) for path in ("/configz", "/metrics", "/debug/stacks")]
    assert [status for status, _ in pages] == [200, 200, 200]
    shown = "".join(text for _, text in pages)
    process.signal()
    assert process.wait() == 0
    shown += process.text()
    assert "canary" not in shown
    for line in cluster.server.journal.records():
        assert "canary" not in repr(line)


def test_each_controller_uses_its_own_account_when_asked(cluster, until):
    cluster.start("--use-service-account-credentials=true")
    until(lambda: cluster.cloud_calls("initialize"))
    cluster.create_service()
    until(lambda: cluster.address())
    accounts = cluster.request("GET", "/api/v1/namespaces/kube-system/serviceaccounts")["items"]
    assert {"service-controller", "shared-informers"} <= {
        account["metadata"]["name"] for account in accounts
    }
    writers = {
        record.proc
        for record in cluster.server.journal.records()
        if record.op == "PATCH services/status"
    }
    assert all("system:serviceaccount:kube-system:service-controller" in name for name in writers)
