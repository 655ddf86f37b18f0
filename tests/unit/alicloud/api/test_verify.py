"""Answers that are no success although they came."""

import pytest

from cloudprovider_alicloud.api.caller import CallFailed
from cloudprovider_alicloud.api.client import verify


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param({}, id="no request id"),
        pytest.param({"status": "UP"}, id="another service"),
        pytest.param({"RequestId": None}, id="null request id"),
        pytest.param(["x"], id="no object"),
        pytest.param(None, id="nothing"),
    ],
)
def test_a_foreign_answer_is_no_success(reply):
    with pytest.raises(CallFailed) as caught:
        verify(reply)
    assert caught.value.sent == "unknown"


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"Success": False, "Code": "OverQuota", "Message": "m"}, id="both"),
        pytest.param({"Code": "OverQuota", "Message": "m"}, id="a code and a message"),
        pytest.param({"Success": "false", "Code": "OverQuota"}, id="as text"),
    ],
)
def test_an_error_in_a_success_is_an_error(fields):
    with pytest.raises(CallFailed) as caught:
        verify({"RequestId": "R-1", **fields})
    assert (caught.value.code, caught.value.sent) == ("OverQuota", "answered")


@pytest.mark.parametrize(
    "fields",
    [{}, {"Code": "200", "Message": "ok"}, {"Success": True}, {"Code": "a code of the product"}],
)
def test_a_success_passes(fields):
    assert verify({"RequestId": "R-1", **fields})
