"""Signatures in both forms, dispatch and temporary credentials, over loopback."""

import hashlib
import urllib.parse

import pytest

from cloudprovider_alicloud.emulator import signing, world
from cloudprovider_alicloud.emulator.errors import ApiError

SLB = {"Version": "2014-05-15", "Action": "DescribeLoadBalancers", "RegionId": "cn-hangzhou"}

#: Recorded from the vendor's SDK (spec/alicloud-sdk.md, Appendix A).
GOLDEN_QUERY = (
    "PageSize=50&RegionId=cn-hangzhou&Tag.1.Key=kubernetes.do.not.delete&Tag.1.Value=lbname"
    "&Tag.2.Key=ack.aliyun.com&Tag.2.Value=c123"
    "&Tags=%5B%7B%22TagKey%22%3A%22k%22%2C%22TagValue%22%3A%22v%22%7D%5D"
)
GOLDEN_HEADERS = {
    "host": "127.0.0.1:29471",
    "x-acs-version": "2014-05-15",
    "x-acs-action": "DescribeLoadBalancers",
    "user-agent": "AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2",
    "x-acs-date": "2026-11-20T09:12:35Z",
    "x-acs-signature-nonce": "8b63e29878d83e96c8d706cf4069f3cd",
    "accept": "application/json",
    "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
    "x-acs-credentials-provider": "static_ak",
}
GOLDEN_SIGNATURE = "be999e665ddf9e6014cac952305d6184525b286aae2eff94cfab4c728008d171"


def golden(**changes):
    signed = ";".join(sorted(GOLDEN_HEADERS))
    authorization = (
        f"ACS3-HMAC-SHA256 Credential=testak,SignedHeaders={signed},Signature={GOLDEN_SIGNATURE}"
    )
    recorded = {
        "method": "POST",
        "path": "/",
        "query": urllib.parse.parse_qsl(GOLDEN_QUERY),
        "form": [],
        "headers": {**GOLDEN_HEADERS, "authorization": authorization},
    }
    return signing.HttpRequest(**{**recorded, **changes})


def test_a_recorded_signature_is_right():
    request = golden()
    signing.check(request, signing.read_acs3(request), "testsecret")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"method": "GET"}, id="method"),
        pytest.param({"path": "/other"}, id="path"),
        pytest.param({"query": [("PageSize", "51")]}, id="query"),
        pytest.param({"body": b"x"}, id="body"),
    ],
)
def test_a_changed_request_does_not_match(changes):
    request = golden(**changes)
    with pytest.raises(ApiError, match="SignatureDoesNotMatch"):
        signing.check(request, signing.read_acs3(request), "testsecret")


@pytest.mark.parametrize(
    "authorization", ["", "Bearer x", "ACS3-HMAC-SHA256 Credential=a,Signature=b"]
)
def test_a_malformed_authorization_is_refused(authorization):
    with pytest.raises(ApiError, match="IncompleteSignature"):
        signing.read_acs3(golden(headers={"authorization": authorization}))


@pytest.mark.parametrize(
    ("date", "code"),
    [
        ("yesterday", "InvalidTimeStamp.Format"),
        ("2026-01-01", "InvalidTimeStamp.Format"),
        ("2026-13-01T00:00:00Z", "InvalidTimeStamp.Format"),
        ("2026-01-01T00:16:00Z", "InvalidTimeStamp.Expired"),
        ("2025-12-31T23:44:00Z", "InvalidTimeStamp.Expired"),
    ],
)
def test_a_wrong_date_is_refused(date, code):
    with pytest.raises(ApiError) as error:
        signing.check_date(date, 1767225600.0, 900)  # 2026-01-01
    assert error.value.code == code


def test_a_date_inside_the_allowed_skew_is_accepted():
    signing.check_date("2026-01-01T00:14:59Z", 1767225600.0, 900)


def test_a_nonce_is_good_once(emulator, http, v1):
    status, _, wire = v1(**SLB)
    assert status == 200
    again = http.request("GET", f"{emulator.url()}/?{urllib.parse.urlencode(wire)}")
    assert again.json()["Code"] == "SignatureNonceUsed"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Version": "1999-01-01"}, "InvalidProduct.NotFound"),
        ({"Version": ""}, "MissingVersion"),
        ({"Action": ""}, "MissingAction"),
        ({"Action": "Nothing"}, "InvalidApi.NotFound"),
        ({"Timestamp": "2020-01-01T00:00:00Z"}, "InvalidTimeStamp.Expired"),
        ({"SignatureNonce": ""}, "MissingSignatureNonce"),
        ({"secret": "wrong"}, "SignatureDoesNotMatch"),
        ({"key": "nobody"}, "InvalidAccessKeyId.NotFound"),
        ({"SecurityToken": "x"}, "InvalidSecurityToken.MismatchWithAccessKey"),
    ],
)
def test_the_gateway_refuses(emulator, v1, changes, code):
    _, body, _ = v1(**{**SLB, **changes})
    assert body["Code"] == code
    assert emulator.journal.records()[-1].outcome == code


def test_a_request_without_any_signature_is_refused(emulator, http):
    response = http.request("POST", f"{emulator.url()}/?{urllib.parse.urlencode(SLB)}")
    assert (response.status, response.json()["Code"]) == (400, "MissingAccessKeyId")


def test_an_inactive_key_is_refused(emulator, v1):
    state = emulator.core.state
    state.change(state.access_keys[world.ACCESS_KEY_ID], active=False)
    assert v1(**SLB)[1]["Code"] == "InvalidAccessKeyId.Inactive"


@pytest.fixture
def unchecked(emulator):
    emulator.core.settings.check_signatures = False
    yield emulator
    emulator.core.settings.check_signatures = True


def test_signatures_need_not_be_checked(unchecked, v1):
    assert v1(**SLB, secret="wrong")[0] == 200


def test_form_and_query_are_one_set_of_parameters(unchecked, http):
    response = http.request_encode_body(
        "POST",
        f"{unchecked.url()}/?PageSize=1",
        fields={"RegionId": "cn-hangzhou", "PageNumber": "2"},
        headers={
            "x-acs-version": "2014-05-15",
            "x-acs-action": "DescribeLoadBalancers",
            "authorization": "ACS3-HMAC-SHA256 Credential=x,SignedHeaders=host,Signature=y",
        },
        encode_multipart=False,
    )
    assert (response.json()["PageSize"], response.json()["PageNumber"]) == (1, 2)


STS = {"Version": "2015-04-01", "RoleArn": "acs:ram::1:role/r", "RoleSessionName": "s"}


def test_an_assumed_roles_key_works_until_it_expires(emulator, v1):
    _, body, _ = v1(**STS, Action="AssumeRole", DurationSeconds="900")
    issued = body["Credentials"]
    as_role = {
        **SLB,
        "key": issued["AccessKeyId"],
        "secret": issued["AccessKeySecret"],
        "SecurityToken": issued["SecurityToken"],
    }
    assert v1(**as_role)[0] == 200
    without = {name: value for name, value in as_role.items() if name != "SecurityToken"}
    assert v1(**without)[1]["Code"] == "MissingSecurityToken"
    state = emulator.core.state
    state.change(state.access_keys[issued["AccessKeyId"]], expires=emulator.core.now() - 1)
    assert v1(**as_role)[1]["Code"] == "InvalidSecurityToken.Expired"


def test_assume_role_with_oidc_needs_no_signature(emulator, http):
    query = {**STS, "Action": "AssumeRoleWithOIDC", "OIDCProviderArn": "p", "OIDCToken": "token"}
    response = http.request("GET", f"{emulator.url()}/?{urllib.parse.urlencode(query)}")
    assert response.json()["Credentials"]["SecurityToken"]
    assert "OIDCToken" not in emulator.journal.records()[-1].args
