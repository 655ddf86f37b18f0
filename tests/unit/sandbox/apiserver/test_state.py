"""Snapshots, rollback, and state on disk."""

from __future__ import annotations

import pytest
from apiserver_kube import SVC, Kube

from cloudprovider_sandbox.apiserver.disk import StateDirectory


def names(kube):
    return [item["metadata"]["name"] for item in kube.get(SVC).body["items"]]


def test_a_rollback_brings_objects_versions_and_allocations_back(kube):
    kube.service("kept", type="NodePort")
    snapshot = kube.server.snapshot()
    version = kube.version
    kube.delete(f"{SVC}/kept")
    kube.service("lost", type="NodePort")
    kube.server.restore(snapshot)
    assert names(kube) == ["kept", "kubernetes"]
    assert kube.version == version
    taken = kube.get(f"{SVC}/kept").body["spec"]["ports"][0]["nodePort"]
    refused = kube.service("other", type="NodePort", ports=[{"port": 80, "nodePort": taken}])
    assert refused.status == 422
    assert kube.service("new", type="NodePort").status == 201


def test_a_rollback_ends_watches_and_forgets_history(kube):
    snapshot = kube.server.snapshot()
    stream = kube.watch(SVC, resourceVersion=str(kube.version))
    kube.service("lost")
    kube.server.restore(snapshot)
    assert stream.next(0) is None


class TestDisk:
    @pytest.fixture(autouse=True)
    def _closing(self):
        self.opened = []
        yield
        for state in self.opened:
            state.close()

    def reopened(self, folder, **options):
        kube = Kube(namespaces=("default",))
        state = StateDirectory(kube.server, folder, **options)
        self.opened.append(state)
        return kube, state, state.open()

    def test_a_new_folder_keeps_what_the_server_has(self, tmp_path):
        kube, state, found = self.reopened(tmp_path / "state")
        assert found is False
        kube.service("web")
        state.close()
        again, _, found = self.reopened(tmp_path / "state")
        assert found is True
        assert again.get(f"{SVC}/web").body == kube.get(f"{SVC}/web").body
        assert again.version == kube.version

    def test_a_killed_server_loses_nothing(self, tmp_path):
        kube, _, _ = self.reopened(tmp_path)
        kube.service("a", type="NodePort")
        kube.service("b")
        kube.patch(f"{SVC}/a", {"metadata": {"labels": {"x": "y"}}})
        kube.delete(f"{SVC}/b")
        again, _, _ = self.reopened(tmp_path)
        assert names(again) == ["a", "kubernetes"]
        assert again.get(f"{SVC}/a", headers={}).meta["labels"] == {"x": "y"}
        assert [
            i["metadata"]["name"] for i in again.get(SVC, labelSelector="x=y").body["items"]
        ] == ["a"]
        assert again.service("c", type="NodePort").status == 201

    def test_a_torn_last_line_is_left_out(self, tmp_path, caplog):
        kube, _, _ = self.reopened(tmp_path)
        kube.service("a")
        kube.service("b")
        log = tmp_path / "changes.jsonl"
        log.write_bytes(log.read_bytes()[:-30])
        again, _, _ = self.reopened(tmp_path)
        assert names(again) == ["a", "kubernetes"]
        assert "torn" in caplog.text

    def test_the_log_is_compacted(self, tmp_path):
        kube, _, _ = self.reopened(tmp_path, compact_after=5)
        for n in range(12):
            kube.service(f"s{n}")
        assert len((tmp_path / "changes.jsonl").read_bytes().splitlines()) < 5
        again, _, _ = self.reopened(tmp_path)
        assert len(names(again)) == 13

    def test_a_rollback_is_kept_too(self, tmp_path):
        kube, _, _ = self.reopened(tmp_path)
        snapshot = kube.server.snapshot()
        kube.service("lost")
        kube.server.restore(snapshot)
        again, _, _ = self.reopened(tmp_path)
        assert names(again) == ["kubernetes"]

    def test_the_folder_is_private(self, tmp_path):
        self.reopened(tmp_path / "state")
        assert (tmp_path / "state").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("history", [1, 50])
def test_views_of_the_past_are_what_was_there(history):
    kube = Kube(history=history)
    seen = {}
    for n in range(20):
        kube.service(f"s{n:02}")
        if n % 3 == 0:
            kube.delete(f"{SVC}/s{n // 2:02}")
        seen[kube.version] = names(kube)
    table = kube.server.store.table("services")
    checked = [version for version in seen if version >= table.oldest]
    assert checked
    for version in checked:
        assert [key[1] for key in sorted(table.at(version))] == seen[version]
