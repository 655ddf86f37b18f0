"""Who we are to the cloud. Values of keys never leave this module but through ``reveal()``.

Static keys are served now; session tokens and roles will be further sources with the same two
methods. Source of the rules: ``spec/reliability.md`` 4.2.
"""

from __future__ import annotations

import dataclasses
import hmac
from typing import NoReturn, Protocol

HIDDEN = "***"


class Secret:
    """A text that does not show itself: not by repr, str, format, comparison or pickling."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself. Never log it, never put it into an exception."""
        return self._value

    def matches(self, value: str) -> bool:
        """Whether the text is ``value``, in constant time."""
        return hmac.compare_digest(self._value.encode(), value.encode())

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return HIDDEN

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled")


@dataclasses.dataclass(frozen=True)
class Credentials:
    """A key pair, and a session token if it is temporary."""

    access_key_id: Secret
    access_key_secret: Secret
    security_token: Secret | None = None

    def redact(self, text: str) -> str:
        """``text`` without any of the values in it."""
        for secret in (self.access_key_id, self.access_key_secret, self.security_token):
            if secret:
                text = text.replace(secret.reveal(), HIDDEN)
        return text


class CredentialSource(Protocol):
    """Where credentials come from. Asked for every call, so rotation needs no new client."""

    def get(self) -> Credentials:
        """The credentials to use now."""

    def refresh(self) -> bool:
        """The cloud refused the credentials: look for newer ones; whether there are any."""


class StaticCredentials:
    """A key pair that does not change."""

    def __init__(
        self, access_key_id: str, access_key_secret: str, security_token: str = ""
    ) -> None:
        self._credentials = Credentials(
            access_key_id=Secret(access_key_id),
            access_key_secret=Secret(access_key_secret),
            security_token=Secret(security_token) if security_token else None,
        )

    def get(self) -> Credentials:
        return self._credentials

    def refresh(self) -> bool:
        return False

    def __repr__(self) -> str:
        return f"StaticCredentials({HIDDEN})"
