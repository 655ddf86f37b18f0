"""Decides for each event whether it is new, a repetition, one of too many alike, or spam.

Pure: no I/O, the clock is an argument. Source: ``spec/ccm-core.md`` 3.1.5.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import Generic, Literal, NamedTuple, TypeVar

_V = TypeVar("_V")

#: Entries of each cache.
CACHE = 4096
#: The tenth and later distinct messages about one thing become one shared event …
DISTINCT = 10
#: … until nothing like it happened for so many seconds.
SIMILAR_SECONDS = 600.0
#: Events of one source about one object: at once, and seconds per further one.
SPAM_BURST = 25
SPAM_REFILL = 300.0
COMBINED = "(combined from similar events): "


class Subject(NamedTuple):
    """What an event is about, as far as repetition goes."""

    source: str
    object: str  #: kind, namespace, name and UID
    type: str
    reason: str


class Key(NamedTuple):
    """What makes two events the same."""

    subject: Subject
    message: str  #: empty for the shared event


@dataclasses.dataclass
class Series:
    """One event on the server and how often it happened."""

    name: str = ""  #: empty: not on the server
    count: int = 0
    first: str = ""  #: timestamp
    message: str = ""  #: of the first


class Decision(NamedTuple):
    """What to do with an event."""

    verdict: Literal["create", "count", "drop"]
    key: Key
    message: str
    series: Series


class _Cache(Generic[_V]):
    """The last :data:`CACHE` entries used."""

    def __init__(self) -> None:
        self._entries: collections.OrderedDict[tuple[object, ...], _V] = collections.OrderedDict()

    def find(self, key: tuple[object, ...], default: _V) -> _V:
        value = self._entries.setdefault(key, default)
        self._entries.move_to_end(key)
        if len(self._entries) > CACHE:
            self._entries.popitem(last=False)
        return value


@dataclasses.dataclass
class _Similar:
    messages: set[str]
    last: float


@dataclasses.dataclass
class _Tokens:
    left: float
    updated: float


class Correlator:
    """Remembers recent events. Not safe for threads."""

    def __init__(self) -> None:
        self._similar: _Cache[_Similar] = _Cache()
        self._series: _Cache[Series] = _Cache()
        self._spam: _Cache[_Tokens] = _Cache()

    def decide(
        self, subject: Subject, message: str, *, now: float, timestamp: str, topic: str = ""
    ) -> Decision:
        """What to do with an event at ``now`` (monotonic seconds, for people ``timestamp``).

        Messages with one ``topic`` are the same for this purpose, and the first of them stays: an
        error's request id is never the same, and belongs to the first occurrence.
        """
        key, text = self._aggregate(subject, topic or message, message, now)
        series = self._series.find(key, Series())
        series.count += 1
        series.first = series.first or timestamp
        if topic and key.message:
            text = series.message = series.message or text
        if not self._take_token(subject, now):
            return Decision("drop", key, text, series)
        return Decision("count" if series.name else "create", key, text, series)

    def _aggregate(self, subject: Subject, topic: str, message: str, now: float) -> tuple[Key, str]:
        similar = self._similar.find(subject, _Similar(set(), now))
        if now - similar.last > SIMILAR_SECONDS:
            similar.messages.clear()
        similar.last = now
        similar.messages.add(topic)
        if len(similar.messages) < DISTINCT:
            return Key(subject, topic), message
        similar.messages.pop()  # stay just below, so that the next distinct one is combined too
        return Key(subject, ""), COMBINED + message

    def _take_token(self, subject: Subject, now: float) -> bool:
        key = (subject.source, subject.object, subject.type)
        tokens = self._spam.find(key, _Tokens(SPAM_BURST, now))
        refilled = tokens.left + (now - tokens.updated) / SPAM_REFILL
        tokens.left, tokens.updated = min(float(SPAM_BURST), refilled), now
        if tokens.left < 1.0:
            return False
        tokens.left -= 1.0
        return True
