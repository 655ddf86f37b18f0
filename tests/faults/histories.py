"""What a run leaves behind for the oracles that judge it as a whole."""

from __future__ import annotations

import math

import msgspec

from cloudprovider.testing.harness import journals

#: Seconds between two looks at silent nodes; longer than by default, for they are most of a run.
MONITOR_PERIOD = 20.0
#: Seconds for which a renewal is proof.
RENEW_DEADLINE = 40.0
#: Seconds between two looks at the lease of another.
RETRY_PERIOD = 20.0
#: Seconds for which a kubelet waits between SIGTERM and SIGKILL, by default.
GRACE = 30.0
#: Seconds until a pass goes by what a user just wrote: it is in the cache then, and looked at.
NOTICED = 1.0


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
        #: By UID: what at least one Warning about the Service must say.
        self.to_be_heard: dict[str, str] = {}
        self._heard: set[str] = set()
        self.stops: dict[str, journals.Stop] = {}
        self.released: set[int] = set()  #: numbers of the calls that gave the lease back
        self.trespasses: list[str] = []
        self._trespass = journals.Trespass()
        self.saved = None  #: the API server's state after the last write of a user
        self._nodes: dict[str, tuple[str, int]] = {}
        self._asked: dict[str, list[dict]] = {}
        self._changed_at = -math.inf
        self._asked_again: frozenset = frozenset()
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

    def was_asked_to_end(self, process):
        """SIGTERM was sent to a manager."""
        self.stops[process] = journals.Stop(process, self._world.time.elapsed())

    def has_ended(self, process, code):
        """A manager ended by itself."""
        if process in self.stops:
            asked = self.stops[process].asked
            now = self._world.time.elapsed()
            self.stops[process] = journals.Stop(process, asked, now, code)

    def _changed(self, storage, change):
        if storage == "events" and self.to_be_heard:
            self._hear(msgspec.json.decode(change.entry.data))
        if storage not in {"nodes", "services"}:
            return
        name = change.entry.key[1]
        key = "/".join(filter(None, change.entry.key))
        self.written.append(journals.Written(storage, change.version, change.type, key))
        if storage == "services" and change.type != "DELETED":
            self._note_asked(msgspec.json.decode(change.entry.data))
        if storage == "nodes" and change.type == "DELETED":
            spec = msgspec.json.decode(change.entry.data).get("spec", {})
            instance = spec.get("providerID", "").rpartition(".")[2]
            count = len(self._world.server.store.table("nodes").objects) + 1
            self._nodes[name] = (instance, count)

    def _note_asked(self, service):
        spec = service["spec"]
        if spec == "nonsense":
            return
        asked = self._asked.setdefault(service["metadata"]["uid"], [])
        what = {"type": spec["type"], "ports": spec["ports"]}
        if what not in asked[-1:]:
            asked.append(what)

    def asked_before(self, uid):
        """What a user asked of a Service before the last change of type and ports, or None."""
        return next(iter(self._asked.get(uid, ())[-2:-1]), None)

    def mind_changed(self, uid, asked):
        """A user has just asked for ``asked``, of a Service under a pass."""
        self._changed_at = self._world.time.monotonic()
        self._asked_again = frozenset(
            (uid, (port["protocol"], port["port"])) for port in asked["ports"]
        )

    def unknown_to(self, record):
        """Ports by UID that whoever sent ``record`` could not know to be asked for."""
        too_early = record.t - NOTICED < self._changed_at
        return self._asked_again if too_early else frozenset()

    def _answered_by_server(self, record):
        if record.op == "PUT leases" and '"holderIdentity":""' in record.args.get("body", ""):
            sent = reversed(self._world.boundary.records)
            self.released.add(next(r.n for r in sent if (r.proc, r.op) == (record.proc, record.op)))
        self.trespasses += self._trespass.seen(record, self._served_elsewhere(record.key))
        if record.proc == "user" and record.effect:
            self.saved = self._world.server.snapshot()
        elif record.op == "DELETE nodes" and record.effect:
            instance, count = self._nodes[record.key]
            deletion = journals.NodeDeletion(record.t, record.key, instance, record.pre, count)
            self.deletions.append(deletion)

    def _served_elsewhere(self, key):
        """UIDs of Services that another controller serves, and still is to."""
        if not self._world.elsewhere:
            return frozenset()
        entry = self._world.server.store.get("services", tuple(key.split("/")))
        given_up = entry is not None and b'"loadBalancerClass"' not in entry.data
        return frozenset() if given_up else self._world.elsewhere

    def violations(self):
        """What the oracles over journals say."""
        world = self._world
        records = world.boundary.records
        kubernetes = [r for r in world.server.journal.records() if r.proc.startswith("manager")]
        cloud = [record for record in records if record.api != "k8s"]
        found = journals.node_deletions(self.deletions, self.answers, period=MONITOR_PERIOD)
        found += self.trespasses
        found += self._lease_and_stops(records)
        found += journals.no_hot_loop(records, budget=world.budget(), burst=15 * world.patience)
        found += journals.one_series(self._events(), processes=self.processes, due=self.due)
        found += journals.preconditions(kubernetes, cloud)
        found += [f"O12: nobody was told {text}" for text in self.unheard()]
        for watch in self.watches:
            found += journals.watch_guarantees(watch, self.written)
        return found

    def _lease_and_stops(self, records):
        stops = list(self.stops.values())
        found = journals.ended_in_order(stops, grace=GRACE)
        if not self._world.elected:
            return found
        found += journals.one_writer(records, deadline=RENEW_DEADLINE, released=self.released)
        return found + journals.handed_over(
            records,
            stops,
            released=self.released,
            within=RETRY_PERIOD,
            until=self._world.time.elapsed(),
        )

    def unsaid(self):
        """The Services that a Warning is due for, and has not come: another does not count."""
        if not self.due:
            return []
        said = [
            (event["involvedObject"]["name"], event["message"])
            for event in self._events()
            if event["type"] == "Warning"
        ]
        return sorted(
            name
            for name, parts in self.due.items()
            if not any(name == about and all(p in text for p in parts) for about, text in said)
        )

    def unheard(self):
        """The Services whose users have not been told what they must be."""
        return sorted(
            f"{uid}: {text}" for uid, text in self.to_be_heard.items() if uid not in self._heard
        )

    def _hear(self, event):
        uid = event["involvedObject"].get("uid")
        text = self.to_be_heard.get(uid)
        if event["type"] == "Warning" and text is not None and text in event["message"]:
            self._heard.add(uid)

    def _events(self):
        entries = self._world.server.store.table("events").entries()
        return [msgspec.json.decode(entry.data) for entry in entries]
