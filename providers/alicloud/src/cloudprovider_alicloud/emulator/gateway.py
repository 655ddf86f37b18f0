"""From an HTTP request to an answered call: who calls, whether it may, what it wants."""

from __future__ import annotations

from cloudprovider_alicloud.emulator import signing
from cloudprovider_alicloud.emulator.actions import VERSIONS
from cloudprovider_alicloud.emulator.core import EmulatorCore, Request
from cloudprovider_alicloud.emulator.errors import ApiError, missing
from cloudprovider_alicloud.emulator.replies import Reply
from cloudprovider_alicloud.emulator.resources import AccessKey
from cloudprovider_alicloud.emulator.signing import HttpRequest, Signature
from cloudprovider_alicloud.emulator.sts import UNSIGNED


class Gateway:
    """Dispatches by version and action, checks signatures, remembers nonces."""

    def __init__(self, core: EmulatorCore) -> None:
        self._core = core
        self._nonces: dict[str, float] = {}

    def handle(self, http: HttpRequest) -> Reply:
        """The answer; waits for latency. A refusal before the action is journalled too."""
        params = dict((*http.query, *http.form))
        version = http.headers.get("x-acs-version") or params.get("Version", "")
        action = http.headers.get("x-acs-action") or params.get("Action", "")
        request = Request(VERSIONS.get(version, ""), action, params)
        try:
            self._check_target(request, version)
            access_key_id = self._authenticate(http, request)
        except ApiError as error:
            return self._core.refuse(request, error)
        return self._core.call(
            request.product,
            action,
            params,
            access_key_id=access_key_id,
            proc=http.headers.get("user-agent", ""),
        )

    def _check_target(self, request: Request, version: str) -> None:
        if not request.action:
            raise missing("Action")
        if not version:
            raise missing("Version")
        if not request.product:
            raise ApiError(
                404, "InvalidProduct.NotFound", "Cannot find product according to your domain."
            )

    def _authenticate(self, http: HttpRequest, request: Request) -> str:
        """The access key id of a request whose signature is right."""
        if (request.product, request.action) in UNSIGNED:
            return ""
        if "authorization" in http.headers:
            signature = signing.read_acs3(http)
        else:
            signature = signing.read_v1(request.params)
        if not self._core.settings.check_signatures:
            return signature.access_key_id
        now = self._core.now()
        signing.check_date(signature.date, now, self._core.settings.max_skew)
        key = self._key(signature, now)
        signing.check(http, signature, key.secret)
        self._use_nonce(signature.nonce, now)
        return key.id

    def _key(self, signature: Signature, now: float) -> AccessKey:
        key = self._core.state.access_keys.get(signature.access_key_id)
        if key is None:
            raise ApiError(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
        if not key.active:
            raise ApiError(400, "InvalidAccessKeyId.Inactive", "Specified access key is disabled.")
        if key.security_token and not signature.security_token:
            raise missing("SecurityToken")
        if key.security_token != signature.security_token:
            raise ApiError(
                400,
                "InvalidSecurityToken.MismatchWithAccessKey",
                "Specified SecurityToken mismatch with the AccessKey.",
            )
        if key.expires and key.expires <= now:
            raise ApiError(
                400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired."
            )
        return key

    def _use_nonce(self, nonce: str, now: float) -> None:
        """A nonce is good once. It need not be kept longer than a date is good."""
        if not nonce:
            raise missing("SignatureNonce")
        keep = 2 * self._core.settings.max_skew
        with self._core.lock:
            if nonce in self._nonces:
                raise ApiError(
                    400, "SignatureNonceUsed", "Specified signature nonce was used already."
                )
            self._nonces[nonce] = now
            # Oldest first: insertion order is time order.
            while self._nonces and now - next(iter(self._nonces.values())) > keep:
                del self._nonces[next(iter(self._nonces))]
