"""What the cloud said about one Node so far, and when it is asked again. Pure.

Nothing of it outlives the process: a new leader hears "not found" twice itself before it deletes.
That also keeps the cap on deletions over restarts, for each begins with a period without any.
"""

from __future__ import annotations

import dataclasses
import enum
import math

from cloudprovider.errors import CloudProviderError, InstanceNotFound, RetryLater
from cloudprovider.interface import InstanceState, StateOutcome

#: Nodes about which there is nothing new are asked about this often, in seconds, at the least.
LONGEST_PAUSE = 60.0


class Verdict(enum.Enum):
    """What an answer says of an instance."""

    NONE = enum.auto()  #: nothing yet, or an error
    RUNNING = enum.auto()
    STOPPED = enum.auto()
    MISSING = enum.auto()


def verdict(outcome: StateOutcome) -> Verdict:
    """What ``outcome`` says. An answer that is not exactly yes or no says nothing."""
    if isinstance(outcome, InstanceNotFound):
        return Verdict.MISSING
    if not isinstance(outcome, InstanceState):
        return Verdict.NONE
    exists: object = outcome.exists
    if exists is False:
        return Verdict.MISSING
    if exists is not True:
        return Verdict.NONE
    return Verdict.STOPPED if outcome.shutdown is True else Verdict.RUNNING


@dataclasses.dataclass(frozen=True)
class Known:
    """The last answers about one Node. Times are seconds of the monotonic clock."""

    verdict: Verdict = Verdict.NONE
    missing_since: float | None = None  #: when the first of the unbroken "not found"s came
    answered: float = 0.0  #: when the last answer came
    confirmed: bool = False  #: the last two answers are "not found", a period apart
    #: Asked in every 2**quiet-th pass, so that nodes of one level are asked about together.
    quiet: int = 0
    not_before: float = 0.0  #: not asked earlier
    failures: int = 0  #: deletions that failed

    def is_due(self, number: int, now: float) -> bool:
        """Whether to ask in the pass with this ``number``."""
        return number % 2**self.quiet == 0 and now >= self.not_before

    def learn(
        self, outcome: StateOutcome, *, asked: float, answered: float, period: float
    ) -> Known:
        """What is known after one more answer, to a question sent at ``asked``."""
        said = verdict(outcome)
        if said is Verdict.MISSING:
            return self._missing(asked=asked, answered=answered, period=period)
        dull = said is not Verdict.RUNNING
        wait = outcome.after if isinstance(outcome, RetryLater) else 0.0
        return Known(
            verdict=said,
            answered=answered,
            quiet=min(self.quiet + 1, quietest(period)) if dull else 0,
            not_before=answered + wait,
        )

    def _missing(self, *, asked: float, answered: float, period: float) -> Known:
        again = self.verdict is Verdict.MISSING
        return dataclasses.replace(
            self,
            verdict=Verdict.MISSING,
            missing_since=self.missing_since if again else answered,
            answered=answered,
            # Not ``asked - answered >= period``: a sum rounds as the end of the pause did.
            confirmed=again and asked >= self.answered + period,
            quiet=self.quiet if again else 0,
        )

    def kept(self, period: float, *, paused: bool) -> Known:
        """It is missing and was not deleted; while deletions are paused it is asked less often."""
        quiet = min(self.quiet + 1, quietest(period)) if paused else 0
        return dataclasses.replace(self, quiet=quiet)

    def failed(self, now: float, *, base: float, cap: float) -> Known:
        """Its deletion failed: it is tried again after ``base`` seconds, doubling up to ``cap``."""
        wait = min(cap, base * 2.0 ** min(self.failures, 60))
        return dataclasses.replace(self, failures=self.failures + 1, not_before=now + wait)


def quietest(period: float) -> int:
    """The largest ``quiet``: pauses of at most :data:`LONGEST_PAUSE`, or ``period`` if longer."""
    return max(0, int(math.log2(LONGEST_PAUSE / period)))


def reason(outcome: StateOutcome) -> str:
    """Why ``outcome`` says nothing, for the log; empty if it does."""
    if verdict(outcome) is not Verdict.NONE:
        return ""
    return str(outcome) if isinstance(outcome, CloudProviderError) else "neither yes nor no"
