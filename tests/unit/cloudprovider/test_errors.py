"""The texts of errors: what a person reads in events and logs."""

import pytest

from cloudprovider.errors import CloudProviderError, InvalidConfiguration


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (CloudProviderError("no"), "no"),
        (CloudProviderError("no", code="C"), "no (code C)"),
        (CloudProviderError("no", code="C", request_id="R"), "no (code C, request R)"),
        (InvalidConfiguration("no"), "no"),
        (InvalidConfiguration("no", field="a"), "a: no"),
        (InvalidConfiguration("no", field="a", value="x"), "a='x': no"),
        (InvalidConfiguration("no", field="a", value=0), "a=0: no"),
        (
            InvalidConfiguration("no", field="a", value="x", accepted="y", code="C"),
            "a='x': no (code C); accepted: y",
        ),
    ],
)
def test_the_text_names_field_value_code_and_what_is_accepted(error, text):
    assert str(error) == text
