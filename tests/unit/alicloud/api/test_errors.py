"""What failures mean: classes, the retry table, and the errors that controllers see."""

import pytest

from cloudprovider import errors
from cloudprovider_alicloud.api.caller import CallFailed
from cloudprovider_alicloud.api.errors import (
    MATRIX,
    AmbiguousOutcome,
    Call,
    Failure,
    Operation,
    Retry,
    classify,
    to_error,
)

READ = Call("slb", "DescribeLoadBalancerAttribute", Operation.READ, region="cn-hangzhou")
TOKEN = Call("slb", "CreateLoadBalancer", Operation.IDEMPOTENT_WRITE, region="cn-hangzhou")
WRITE = Call("slb", "DeleteLoadBalancer", Operation.WRITE, region="cn-hangzhou")


def answered(code, status=400, **fields):
    return CallFailed(
        fields.pop("message", "what the cloud said"),
        code=code,
        http_status=status,
        request_id="R-1",
        sent="answered",
        **fields,
    )


@pytest.mark.parametrize(
    ("failed", "failure"),
    [
        (answered("Throttling"), Failure.THROTTLED),
        (answered("Throttling.User"), Failure.THROTTLED),
        (answered("Throttling.Api", 503), Failure.THROTTLED),
        (answered("Rejected.Throttling"), Failure.THROTTLED),
        (answered("Anything", retry_after=1.0), Failure.THROTTLED),
        (CallFailed("refused", sent="no"), Failure.NOT_SENT),
        (CallFailed("read timeout", sent="unknown"), Failure.AMBIGUOUS),
        (answered("InternalError", 500), Failure.AMBIGUOUS),
        (answered("ServiceUnavailable", 503), Failure.AMBIGUOUS),
        (answered("", 400), Failure.AMBIGUOUS),
        (answered("SystemBusy", 449), Failure.BUSY),
        (answered("OperationBusy"), Failure.BUSY),
        (answered("ServiceIsStopping", 409), Failure.BUSY),
        (answered("ServiceIsConfiguring"), Failure.BUSY),
        (answered("BackendServer.configuring", 409), Failure.BUSY),
        (answered("VServerGroupProcessing"), Failure.BUSY),
        (answered("OperationConflict"), Failure.BUSY),
        (answered("TaskConflict"), Failure.BUSY),
        (answered("IncorrectStatus.listener"), Failure.BUSY),
        (answered("IncorrectVpcStatus"), Failure.BUSY),
        (answered("IncorrectInstanceStatus"), Failure.BUSY),
        (answered("InvalidStatus.RouteEntry"), Failure.BUSY),
        (answered("Conflict.Lock", 409), Failure.BUSY),
        (answered("InvalidOperation.Conflict", 403), Failure.BUSY),
        (answered("InvalidTimeStamp.Expired"), Failure.CLOCK),
        (answered("SignatureNonceUsed"), Failure.CLOCK),
        (answered("InvalidSecurityToken.Expired"), Failure.CREDENTIAL),
        (answered("InvalidAccessKeyId.NotFound", 404), Failure.CREDENTIAL),
        (answered("InvalidLoadBalancerId.NotFound", 404), Failure.PERMANENT),
        (answered("Forbidden.RAM", 403), Failure.PERMANENT),
        (answered("MissingLoadBalancerId"), Failure.PERMANENT),
        (answered("OverQuota"), Failure.PERMANENT),
        (CallFailed("none", code="InvalidCredentials", sent="no"), Failure.PERMANENT),
    ],
    ids=lambda value: value.code or value.message if isinstance(value, CallFailed) else None,
)
def test_every_failure_has_its_class(failed, failure):
    assert classify(failed) is failure


def test_the_retry_table_is_that_of_the_specification():
    """``spec/alicloud-sdk.md`` 8.3: reads, writes with a client token, writes without."""
    again, short, once, refresh, describe, no = (
        Retry.YES,
        Retry.SHORT,
        Retry.ONCE,
        Retry.REFRESH,
        Retry.DESCRIBE,
        Retry.NO,
    )
    table = {
        Failure.THROTTLED: [again, again, again],
        Failure.NOT_SENT: [again, again, again],
        Failure.AMBIGUOUS: [again, again, describe],
        Failure.BUSY: [no, short, short],
        Failure.PERMANENT: [no, no, no],
        Failure.CLOCK: [once, once, once],
        Failure.CREDENTIAL: [refresh, refresh, refresh],
    }
    operations = [Operation.READ, Operation.IDEMPOTENT_WRITE, Operation.WRITE]
    assert {
        failure: [MATRIX[failure][operation] for operation in operations] for failure in Failure
    } == table


@pytest.mark.parametrize(
    ("idempotent", "write", "operation"),
    [
        (True, False, Operation.READ),
        (False, False, Operation.READ),
        (True, True, Operation.IDEMPOTENT_WRITE),
        (False, True, Operation.WRITE),
    ],
)
def test_two_facts_say_how_a_call_may_be_repeated(idempotent, write, operation):
    assert Operation.of(idempotent=idempotent, write=write) is operation


GROUP = Call("slb", "DescribeVServerGroupAttribute", Operation.READ)
LISTENER = Call("slb", "CreateLoadBalancerTCPListener", Operation.WRITE)


@pytest.mark.parametrize(
    ("failed", "call", "error"),
    [
        (answered("Throttling.User"), READ, errors.Throttled),
        (answered("SystemBusy"), WRITE, errors.RetryLater),
        (CallFailed("read timeout"), READ, errors.CloudProviderError),
        (CallFailed("read timeout"), WRITE, AmbiguousOutcome),
        (CallFailed("read timeout"), TOKEN, AmbiguousOutcome),
        (answered("InternalError", 500), WRITE, AmbiguousOutcome),
        (CallFailed("refused", sent="no"), WRITE, errors.CloudProviderError),
        (answered("InvalidInstanceId.NotFound", 404), READ, errors.InstanceNotFound),
        (answered("InvalidLoadBalancerId.NotFound", 404), READ, errors.ResourceNotFound),
        (answered("ListenerNotFound", 404), READ, errors.ResourceNotFound),
        (answered("InvalidRouteEntry.NotFound", 404), WRITE, errors.ResourceNotFound),
        (answered("InvalidParameter", 404), GROUP, errors.ResourceNotFound),
        (answered("InvalidAccessKeyId.NotFound", 404), READ, errors.Unauthorized),
        (answered("InvalidAccessKeyId.Inactive"), READ, errors.Unauthorized),
        (answered("SignatureDoesNotMatch"), READ, errors.Unauthorized),
        (answered("IncompleteSignature"), READ, errors.Unauthorized),
        (answered("InvalidTimeStamp.Expired"), READ, errors.Unauthorized),
        (answered("InvalidSecurityToken.Expired"), READ, errors.Unauthorized),
        (answered("Forbidden.RAM", 403), WRITE, errors.Unauthorized),
        (answered("NoPermission", 403), WRITE, errors.Unauthorized),
        (answered("OverQuota"), TOKEN, errors.QuotaExceeded),
        (answered("QuotaExceeded"), TOKEN, errors.QuotaExceeded),
        (answered("ListenerNumberOverLimit"), WRITE, errors.QuotaExceeded),
        (answered("InstanceBackendServerNumberOverLimit"), WRITE, errors.QuotaExceeded),
        (answered("AuthorizationLimitExceed"), WRITE, errors.QuotaExceeded),
        (answered("TagCountLimit"), WRITE, errors.QuotaExceeded),
        (answered("VSwitchAvailableIpNotExist"), TOKEN, errors.QuotaExceeded),
        (answered("InvalidRegionId.NotFound", 404), READ, errors.InvalidConfiguration),
        (answered("InvalidVSwitchId.NotFound", 404), TOKEN, errors.InvalidConfiguration),
        (answered("CertificateNotFound", 404), LISTENER, errors.InvalidConfiguration),
    ],
    ids=lambda value: value.code or value.message if isinstance(value, CallFailed) else None,
)
def test_every_failure_becomes_the_error_that_says_what_to_do(failed, call, error):
    got = to_error(failed, call)
    assert type(got) is error
    assert got.code == failed.code
    assert got.request_id == failed.request_id


@pytest.mark.parametrize(
    ("failed", "call"),
    [
        pytest.param(answered("SomethingNew.NotFound", 404), READ, id="a code not on the list"),
        pytest.param(answered("InvalidApi.NotFound", 404), READ, id="no such action"),
        pytest.param(answered("InvalidParameter", 404), READ, id="a group's code elsewhere"),
        pytest.param(answered("InvalidParameter", 404), LISTENER, id="a group a create names"),
        pytest.param(answered("InvalidParameter", 400), GROUP, id="a bad parameter"),
        pytest.param(answered("InvalidServerId.NotFound", 404), WRITE, id="a backend"),
        pytest.param(answered("", 404), READ, id="a 404 of a proxy"),
        pytest.param(answered("InvalidVSwitchId.NotFound", 404), TOKEN, id="a wrong reference"),
        pytest.param(answered("Forbidden.NotFound", 403), READ, id="a permission put that way"),
    ],
)
def test_only_listed_codes_mean_absence(failed, call):
    assert not isinstance(to_error(failed, call), errors.NotFound)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("InvalidAccessKeyId.NotFound", "check Global.accessKeyID"),
        ("InvalidAccessKeyId.Inactive", "is disabled"),
        ("SignatureDoesNotMatch", "check Global.accessKeySecret"),
        ("InvalidTimeStamp.Expired", "clock"),
        ("Forbidden.RAM", "allow it in its policy"),
        ("NoPermission", "lacks this permission"),
        ("InvalidCredentials", "set Global.accessKeyID"),
    ],
)
def test_a_refusal_says_what_the_operator_can_do(code, advice):
    text = str(to_error(answered(code, message="string to sign: Signature=abc"), WRITE))
    assert advice in text
    assert f"code {code}, request R-1" in text
    assert "slb:DeleteLoadBalancer" in text
    assert "Signature=abc" not in text


def test_an_unknown_region_is_named():
    error = to_error(answered("InvalidRegionId.NotFound", 404), READ)
    assert "Global.region='cn-hangzhou'" in str(error)
    assert "accepted:" in str(error)


def test_a_throttled_error_carries_the_time_to_wait():
    assert to_error(answered("Throttling", retry_after=12.5), READ).after == 12.5
    assert to_error(answered("Throttling"), READ).after > 1.0


def test_an_unreachable_endpoint_says_how_to_set_another():
    error = to_error(CallFailed("slb-vpc.x.com: connection refused", sent="no"), READ)
    assert "SLB_ENDPOINT" in str(error)
    assert "slb-vpc.x.com" in str(error)
    assert "Global.region (cn-hangzhou)" in str(error)
    assert "Global.network" in str(error)


def test_texts_of_the_cloud_are_one_line_of_bounded_length():
    message = "first\nsecond\x1b[31m" + "x" * 5000
    text = str(to_error(answered("InvalidX", message=message), READ))
    assert text.isprintable()
    assert len(text) < 500
