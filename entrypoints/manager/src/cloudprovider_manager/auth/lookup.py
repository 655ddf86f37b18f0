"""The ConfigMap in which the API server says whose certificates it believes itself.

It is read at the start and again every minute: authorities are exchanged with weeks of overlap, and
a poll needs no more than the right to get one object. Source: ``spec/ccm-core.md`` 4.7, 4.8.
"""

from __future__ import annotations

import logging

from cloudprovider.concurrency import Concurrency, Thread
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.errors import ApiError, Forbidden, NotFound
from cloudprovider_controllers.runtime.resources import CONFIG_MAPS
from cloudprovider_controllers.runtime.transport import TransportError
from cloudprovider_manager.auth.trust import Published, TrustError, published

_log = logging.getLogger(__name__)

NAMESPACE = "kube-system"
NAME = "extension-apiserver-authentication"
WHERE = f"configmap/{NAME} in {NAMESPACE}"
#: Seconds between two readings.
PERIOD = 60.0
_HINT = (
    f" (bind the Role extension-apiserver-authentication-reader of {NAMESPACE} to this identity)"
)


class LookupFailed(Exception):
    """The ConfigMap could not be read or understood."""


class Lookup:
    """What the ConfigMap says; nothing while it was never read, or is not there."""

    def __init__(self, client: Client, *, concurrency: Concurrency) -> None:
        self._client = client
        self._concurrency = concurrency
        self._stop = concurrency.event()
        self._thread: Thread | None = None
        self._failing = ""
        #: The last good reading. Replaced, never changed.
        self.published = Published()

    def read(self) -> None:
        """Read it now. One that is not there (any more) changes nothing.

        Raises:
            LookupFailed: it cannot be read, or makes no sense; what was read before stays.

        """
        try:
            found = self._client.get_raw(CONFIG_MAPS, NAME, NAMESPACE)
            self.published = published(found.get("data") or {}, WHERE)
        except NotFound:
            _log.debug("there is no %s", WHERE)
        except Forbidden as error:
            raise LookupFailed(f"{WHERE}: {error}{_HINT}") from error
        except (ApiError, TransportError) as error:
            raise LookupFailed(f"{WHERE}: {error}") from error
        except TrustError as error:
            raise LookupFailed(str(error)) from error

    def start(self) -> None:
        """Go on reading in the background until :meth:`stop`."""
        self._thread = self._concurrency.start_thread(self._poll, name="authentication-lookup")

    def stop(self) -> None:
        """Read no more."""
        self._stop.set()

    def _poll(self) -> None:
        while not self._stop.wait(PERIOD * (0.9 + 0.2 * self._concurrency.random.random())):
            try:
                self.read()
            except LookupFailed as error:
                if str(error) != self._failing:
                    _log.warning("%s; the last reading stays in use", error)
                self._failing = str(error)
            else:
                self._failing = ""
