"""A misspelt prefix is not silently ignored: that could make an internal load balancer public."""

import pytest

from cloudprovider_alicloud.annotations import ANNOTATIONS

OURS = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-"


@pytest.mark.parametrize(
    "prefix",
    [
        "service.beta.kubernetes.io/alibabacloud-loadbalancer-",
        "service.beta.kubernetes.io/alibaba-cloud-load-balancer-",
        "service.beta.kubernets.io/alibaba-cloud-loadbalancer-",
    ],
)
def test_it_is_a_problem_that_names_what_was_meant(prefix):
    (problem,) = ANNOTATIONS.parse({f"{prefix}address-type": "intranet"}).problems
    assert f"did you mean '{OURS}address-type'?" in str(problem)


@pytest.mark.parametrize(
    "key",
    [
        "service.beta.kubernetes.io/aws-load-balancer-type",
        "service.beta.kubernetes.io/azure-load-balancer-internal",
        "service.beta.kubernetes.io/qcloud-loadbalancer-id",
        "service.beta.kubernetes.io/oci-load-balancer-spec",
        "cloud.google.com/load-balancer-type",
        "example.com/id",
        "id",
    ],
)
def test_keys_of_other_clouds_are_none_of_our_business(key):
    assert not ANNOTATIONS.parse({key: "x"}).problems
