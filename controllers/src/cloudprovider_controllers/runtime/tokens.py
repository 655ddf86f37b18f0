"""Tokens of ServiceAccounts: the TokenRequest, and a source that renews them in time.

Source: ``spec/ccm-core.md`` 1.2.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from cloudprovider.concurrency import Concurrency, current
from cloudprovider_controllers.runtime.credentials import CredentialError
from cloudprovider_controllers.runtime.errors import ApiError, MalformedResponse
from cloudprovider_controllers.runtime.transport import Response, TransportError

logger = logging.getLogger(__name__)

#: Seconds; shorter lifetimes are treated as this.
MIN_LIFETIME = 600.0
#: Part of the lifetime that is left when a token is renewed.
RENEW_AT = 0.2
#: Seconds between the four attempts to get a token.
ATTEMPT_WAITS = (0.5, 1.0, 2.0)
#: Seconds between two renewals because the server refused a token.
REFUSED_PAUSE = 10.0


@dataclasses.dataclass(frozen=True)
class Token:
    """A bearer token of a ServiceAccount and when it stops working."""

    token: str = dataclasses.field(repr=False)
    expires: datetime.datetime


class _Status(msgspec.Struct, rename="camel"):
    token: str
    expiration_timestamp: datetime.datetime


class _TokenRequest(msgspec.Struct):
    status: _Status


def request_body(expiration_seconds: int) -> dict[str, Any]:
    """The body of a POST to ``serviceaccounts/token``."""
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "spec": {"expirationSeconds": expiration_seconds},
    }


def read(response: Response) -> Token:
    """The token in the answer. Raises MalformedResponse, without quoting it."""
    try:
        status = msgspec.json.decode(response.data, type=_TokenRequest).status
    except msgspec.DecodeError:
        # Not chained: the text of a decoding error may quote the token.
        raise MalformedResponse(response.status, "", "no token in a TokenRequest") from None
    return Token(status.token, status.expiration_timestamp)


class ServiceAccountTokens:
    """Tokens of one ServiceAccount, renewed when a fifth of their life is left.

    A :class:`~cloudprovider_controllers.runtime.transport.TokenSource`.
    """

    def __init__(
        self, request: Callable[[], Token], *, concurrency: Concurrency | None = None
    ) -> None:
        self._request = request
        self._concurrency = concurrency or current()
        self._lock = self._concurrency.lock()
        self._token: Token | None = None
        self._renew_at = float("-inf")
        self._asked_at = float("-inf")

    def token(self) -> str:
        """The token to send now.

        Raises:
            CredentialError: four attempts brought none, and there is no old one that still works.

        """
        with self._lock:
            if self._concurrency.monotonic() >= self._renew_at:
                self._renew()
            if self._token is None:
                raise CredentialError("no token of the ServiceAccount")
            return self._token.token

    def refresh(self, refused: str) -> bool:
        with self._lock:
            if self._token is not None and self._token.token != refused:
                return True
            if self._concurrency.monotonic() - self._asked_at < REFUSED_PAUSE:
                return False
            self._renew()
            return self._token is not None and self._token.token != refused

    def _renew(self) -> None:
        self._asked_at = self._concurrency.monotonic()
        try:
            token = self._ask()
        except (ApiError, TransportError) as error:
            now = self._concurrency.now()
            if self._token is None or now >= self._token.expires:
                raise CredentialError(f"no token of the ServiceAccount: {error}") from error
            logger.warning("token of the ServiceAccount not renewed, using the old: %s", error)
            self._renew_at = self._concurrency.monotonic() + REFUSED_PAUSE
            return
        left = (token.expires - self._concurrency.now()).total_seconds()
        lifetime = max(MIN_LIFETIME, left)
        self._token = token
        self._renew_at = self._concurrency.monotonic() + lifetime * (1.0 - RENEW_AT)

    def _ask(self) -> Token:
        for wait in ATTEMPT_WAITS:
            try:
                return self._request()
            except (ApiError, TransportError) as error:
                logger.info("asking for a token again in %.1f s: %s", wait, error)
                self._concurrency.sleep(wait)
        return self._request()
