"""What a provider raises. Each class says what the caller must do, not where the error came from.

The tree is closed: a controller handles these and treats anything else a provider raises as a
:class:`CloudProviderError` of that one item. Providers translate their SDK's exceptions at one
place and chain them (``raise ... from error``). Messages never carry credentials.

Source: ``spec/ccm-core.md`` 1.8, ``design.md`` 3.
"""

from __future__ import annotations


class CloudProviderError(Exception):
    """Something failed; retry with back-off from 5 s to 300 s.

    Args:
        message: One sentence for a person.
        code: The cloud's error code, if it gave one.
        request_id: The cloud's request id, if it gave one.

    """

    def __init__(self, message: str, *, code: str = "", request_id: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.request_id = request_id

    def __str__(self) -> str:
        details = [f"code {self.code}"] if self.code else []
        if self.request_id:
            details.append(f"request {self.request_id}")
        return f"{self.message} ({', '.join(details)})" if details else self.message


class NotFound(CloudProviderError):
    """The cloud said, with a code on the provider's allow-list, that the thing does not exist."""


class InstanceNotFound(NotFound):
    """The instance does not exist. A stopped instance does."""


class ResourceNotFound(NotFound):
    """The load balancer, route or other resource does not exist."""


class RetryLater(CloudProviderError):
    """In progress; ask again after ``after`` seconds. Not a failure: no Warning event.

    Upstream's ``api.RetryError``. ``after`` below 0.1 s is raised to 0.1 s: never a hot loop.
    """

    def __init__(self, message: str, *, after: float, code: str = "", request_id: str = "") -> None:
        super().__init__(message, code=code, request_id=request_id)
        self.after = max(0.1, after)


class Throttled(RetryLater):
    """The cloud refused for rate; ask again after ``after`` seconds, and everything slower."""


class InvalidConfiguration(CloudProviderError):
    """What the user wrote cannot be done; retrying does not help until they change it.

    Args:
        message: One sentence for a person.
        field: The annotation, flag, key or spec field, e.g. ``spec.ports[0].protocol``.
        value: The value given; empty = none was, or it must not be shown.
        accepted: What is accepted instead, in words.

    """

    def __init__(
        self,
        message: str,
        *,
        field: str = "",
        value: object = "",
        accepted: str = "",
        code: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(message, code=code, request_id=request_id)
        self.field = field
        self.value = value
        self.accepted = accepted

    def __str__(self) -> str:
        text = super().__str__()
        if self.field:
            where = self.field if self.value == "" else f"{self.field}={self.value!r}"
            text = f"{where}: {text}"
        return f"{text}; accepted: {self.accepted}" if self.accepted else text


class Unauthorized(CloudProviderError):
    """The cloud refused our credentials or their permissions."""


class QuotaExceeded(CloudProviderError):
    """A quota, limit or stock of the cloud is used up."""


class NotOwned(CloudProviderError):
    """The resource belongs to someone else; it was not touched.

    Args:
        message: One sentence for a person.
        resource: The cloud's id of the resource.
        owner: Whose it is, as far as its tags or names say.

    """

    def __init__(self, message: str, *, resource: str = "", owner: str = "") -> None:
        super().__init__(message)
        self.resource = resource
        self.owner = owner


class ImplementedElsewhere(CloudProviderError):
    """Another controller looks after this Service: a success, and its status is left alone."""

    def __init__(self, message: str = "implemented by alternate to cloud provider") -> None:
        super().__init__(message)


class NotSupported(CloudProviderError):
    """The provider has no such capability. Upstream's ``NotImplemented``."""

    def __init__(self, message: str = "unimplemented") -> None:
        super().__init__(message)


def unexpected(error: BaseException) -> CloudProviderError:
    """``error``, which is none of ours, as a plain :class:`CloudProviderError`, chained.

    Only the class is named: a foreign exception's text may carry a URL with a signature.
    """
    wrapped = CloudProviderError(f"unexpected {type(error).__name__} in the provider")
    wrapped.__cause__ = error
    return wrapped
