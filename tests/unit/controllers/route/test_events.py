"""What events about routes say."""

import pytest

from cloudprovider_controllers.route.events import go_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (0.0004, "0s"),
        (0.25, "250ms"),
        (0.9996, "1s"),
        (1.5, "1.5s"),
        (59.9999, "1m0s"),
        (65.5, "1m5.5s"),
        (3600.0, "1h0m0s"),
        (7322.0, "2h2m2s"),
    ],
)
def test_durations_are_written_as_go_does(seconds, text):
    assert go_duration(seconds) == text
