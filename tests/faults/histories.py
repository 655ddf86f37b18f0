"""What a run leaves behind for the oracles that judge it as a whole."""

from __future__ import annotations

import msgspec

from cloudprovider.testing.harness import journals

#: Seconds between two looks at silent nodes; longer than by default, for they are most of a run.
MONITOR_PERIOD = 20.0
#: Seconds for which a renewal is proof.
RENEW_DEADLINE = 40.0


class History:
    """Listens to the API server of a world from its beginning."""

    def __init__(self, world):
        self._world = world
        self.watches: list[journals.Watched] = []
        self.written: list[journals.Written] = []
        self.answers: list[journals.InstanceAnswer] = []
        self.deletions: list[journals.NodeDeletion] = []
        self.processes = 0  #: managers started
        self.due = {}  #: by the name of a Service: what its one Warning must say
        self.saved = None  #: the API server's state after the last write of a user
        self._nodes: dict[str, tuple[str, int]] = {}
        for storage in ("nodes", "services"):
            for entry in world.server.store.table(storage).entries():
                key = "/".join(filter(None, entry.key))
                self.written.append(journals.Written(storage, entry.version, "ADDED", key))
        world.server.store.listen(self._changed)
        world.server.journal.listen(self._answered_by_server)

    def answered(self, answer):
        """The cloud said which of the instances asked for there are."""
        asked, found = answer
        now = self._world.time.elapsed()
        self.answers.append(journals.InstanceAnswer(t=now, asked=asked, found=found))

    def _changed(self, storage, change):
        if storage not in {"nodes", "services"}:
            return
        name = change.entry.key[1]
        key = "/".join(filter(None, change.entry.key))
        self.written.append(journals.Written(storage, change.version, change.type, key))
        if storage == "nodes" and change.type == "DELETED":
            spec = msgspec.json.decode(change.entry.data).get("spec", {})
            instance = spec.get("providerID", "").rpartition(".")[2]
            count = len(self._world.server.store.table("nodes").objects) + 1
            self._nodes[name] = (instance, count)

    def _answered_by_server(self, record):
        if record.proc == "user" and record.effect:
            self.saved = self._world.server.snapshot()
        elif record.op == "DELETE nodes" and record.effect:
            instance, count = self._nodes[record.key]
            deletion = journals.NodeDeletion(record.t, record.key, instance, record.pre, count)
            self.deletions.append(deletion)

    def violations(self):
        """What the oracles over journals say."""
        world = self._world
        records = world.boundary.records
        kubernetes = [r for r in world.server.journal.records() if r.proc.startswith("manager")]
        cloud = [record for record in records if record.api != "k8s"]
        found = journals.node_deletions(self.deletions, self.answers, period=MONITOR_PERIOD)
        if world.elected:
            found += journals.one_writer(records, deadline=RENEW_DEADLINE)
        found += journals.no_hot_loop(records, budget=world.budget(), burst=15 * world.patience)
        found += journals.one_series(self._events(), processes=self.processes, due=self.due)
        found += journals.preconditions(kubernetes, cloud)
        for watch in self.watches:
            found += journals.watch_guarantees(watch, self.written)
        return found

    def unsaid(self):
        """The Services that a Warning is due for, and has not come: another does not count."""
        if not self.due:
            return []
        warned = {
            event["involvedObject"]["name"]
            for event in self._events()
            if event["type"] == "Warning"
            and all(
                part in event["message"]
                for part in self.due.get(event["involvedObject"]["name"], ())
            )
        }
        return sorted(self.due.keys() - warned)

    def _events(self):
        entries = self._world.server.store.table("events").entries()
        return [msgspec.json.decode(entry.data) for entry in entries]
