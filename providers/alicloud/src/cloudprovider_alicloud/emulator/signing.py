"""Checks the two signatures of Alibaba Cloud's RPC APIs.

ACS3-HMAC-SHA256 in headers, and the older HMAC-SHA1 in parameters (``spec/alicloud-sdk.md`` 3.2,
5.3). On the wire the query is form-encoded, in the canonical form it is RFC 3986: both are decoded,
sorted and encoded again before anything is compared.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from cloudprovider_alicloud.emulator.errors import ApiError, missing

ACS3 = "ACS3-HMAC-SHA256"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

Pairs = Sequence[tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class HttpRequest:
    """What a signature covers."""

    method: str
    path: str
    query: Pairs  #: decoded
    form: Pairs  #: decoded
    headers: Mapping[str, str]  #: by lower-case name
    body: bytes = b""


@dataclasses.dataclass(frozen=True)
class Signature:
    """What a request says about its signer, before anything is believed."""

    access_key_id: str
    value: str
    date: str
    nonce: str
    security_token: str
    signed_headers: tuple[str, ...] = ()  #: ACS3 only


def read_acs3(request: HttpRequest) -> Signature:
    """The signature in the Authorization header. Raises ApiError ``IncompleteSignature``."""
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    if scheme != ACS3 or not {"Credential", "SignedHeaders", "Signature"} <= fields.keys():
        raise ApiError(
            400, "IncompleteSignature", "The request signature does not conform to the standards."
        )
    return Signature(
        access_key_id=fields["Credential"],
        value=fields["Signature"],
        date=request.headers.get("x-acs-date", ""),
        nonce=request.headers.get("x-acs-signature-nonce", ""),
        security_token=request.headers.get("x-acs-security-token", ""),
        signed_headers=tuple(fields["SignedHeaders"].split(";")),
    )


def read_v1(params: Mapping[str, str]) -> Signature:
    """The signature in the parameters. Raises ApiError ``Missing…``."""
    for name in ("AccessKeyId", "Signature", "Timestamp", "SignatureNonce"):
        if not params.get(name):
            raise missing(name)
    return Signature(
        access_key_id=params["AccessKeyId"],
        value=params["Signature"],
        date=params["Timestamp"],
        nonce=params["SignatureNonce"],
        security_token=params.get("SecurityToken", ""),
    )


def acs3_signature(request: HttpRequest, signed_headers: Sequence[str], secret: str) -> str:
    """The signature that ``secret`` gives ``request``, hexadecimal."""
    headers = "".join(
        f"{name}:{request.headers.get(name, '').strip()}\n" for name in sorted(signed_headers)
    )
    canonical = "\n".join(
        (
            request.method,
            request.path or "/",
            _canonical(request.query),
            headers,
            ";".join(sorted(signed_headers)),
            payload_hash(request),
        )
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key, text = secret.encode(), f"{ACS3}\n{digest}".encode()
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def v1_signature(request: HttpRequest, secret: str) -> str:
    """The HMAC-SHA1 signature over all parameters but the signature, base64."""
    pairs = [pair for pair in (*request.query, *request.form) if pair[0] != "Signature"]
    text = f"{request.method}&{_encode('/')}&{_encode(_canonical(pairs))}"
    digest = hmac.new(f"{secret}&".encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def payload_hash(request: HttpRequest) -> str:
    """Hexadecimal SHA-256 of the body."""
    return hashlib.sha256(request.body).hexdigest()


def check(request: HttpRequest, signature: Signature, secret: str) -> None:
    """Compare the signature with the right one.

    Raises:
        ApiError: ``SignatureDoesNotMatch``.

    """
    if signature.signed_headers:
        claimed = request.headers.get("x-acs-content-sha256", "")
        if claimed != payload_hash(request):
            raise _mismatch()
        right = acs3_signature(request, signature.signed_headers, secret)
    else:
        right = v1_signature(request, secret)
    if not hmac.compare_digest(right, signature.value):
        raise _mismatch()


def check_date(date: str, now: float, max_skew: float) -> None:
    """Refuse a date of another form, or further than ``max_skew`` seconds from ``now``."""
    try:
        moment = _parse(date)
    except ValueError:
        raise ApiError(
            400, "InvalidTimeStamp.Format", "Specified time stamp or date value is not valid."
        ) from None
    if abs(now - moment) > max_skew:
        raise ApiError(
            400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired."
        )


def _parse(date: str) -> float:
    """POSIX seconds of ``2026-01-01T00:00:00Z``. Raises ValueError for any other form."""
    if not _TIME.fullmatch(date):
        raise ValueError(date)
    return datetime.datetime.fromisoformat(date).timestamp()


def _mismatch() -> ApiError:
    return ApiError(
        400,
        "SignatureDoesNotMatch",
        "Specified signature is not matched with our calculation.",
    )


def _canonical(pairs: Pairs) -> str:
    return "&".join(f"{_encode(name)}={_encode(value)}" for name, value in sorted(pairs))


def _encode(text: str) -> str:
    return quote(text, safe="~")
