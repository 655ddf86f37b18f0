"""A cloud config that cannot be used: one line with file, field, value and what is accepted."""

import json

import pytest

pytestmark = pytest.mark.e2e

#: Nothing listens on port 9.
NO_METADATA = {"METADATA_ENDPOINT": "http://127.0.0.1:9"}

KEYS = {"accessKeyID": "TFRBSWNhbmFyeQ==", "accessKeySecret": "c2VjcmV0Y2FuYXJ5"}


def changed(**values):
    """A good config with other values of ``Global``; None = without the key."""
    section = {**KEYS, "region": "cn-hangzhou", **values}
    kept = {name: value for name, value in section.items() if value is not None}
    return json.dumps({"Global": kept})


#: What is in the file, and what is said about it.
CASES = {
    "empty": ("", "Global.accessKeyID: no credentials; accepted: accessKeyID and accessKeySecret"),
    "truncated": (
        '{"Global": {"accessKeySecret": "canary"',
        "cloud config: not JSON at line 1, column 40: Expecting ',' delimiter; "
        'accepted: a JSON object {"Global": {...}}',
    ),
    "binary": (
        b"\xff\xfe\x00canary",
        "cloud config: not UTF-8 text (invalid start byte at byte 0)",
    ),
    "list": ("[]", 'cloud config: not an object; accepted: an object {"Global": {...}}'),
    "section-unknown": ('{"Globl": {}}', "Globl: unknown key; did you mean Global?"),
    "section-text": ('{"Global": "canary"}', "Global: not an object; accepted: an object"),
    "key-unknown": (changed(regoin="x"), "Global.regoin: unknown key; did you mean Global.region?"),
    "region-number": (
        changed(region=5),
        "Global.region=5: wrong type; accepted: one line of text",
    ),
    "region-missing": (
        changed(region=None),
        "Global.region: not set, and the metadata service at http://127.0.0.1:9 does not answer "
        "(ConnectionRefusedError); accepted: a region id such as cn-hangzhou",
    ),
    "region-malformed": (
        changed(region="Hang Zhou"),
        "Global.region='Hang Zhou': not accepted; accepted: a region id such as cn-hangzhou",
    ),
    "flag-text": (
        changed(disablePublicSLB="perhaps"),
        "Global.disablePublicSLB='perhaps': wrong type; accepted: true or false",
    ),
    "key-no-base64": (
        changed(accessKeySecret="canary+=!"),
        "Global.accessKeySecret: neither base64 of a key nor a key (not shown); "
        "accepted: base64 of the key in quotes, as `printf %s KEY | base64` prints it",
    ),
    "key-number": (
        changed(accessKeySecret=31415926),
        "Global.accessKeySecret: wrong type (not shown); accepted: base64 of the key in quotes",
    ),
    "key-without-secret": (
        changed(accessKeySecret=None),
        "Global.accessKeySecret: half of the key pair is missing: Global.accessKeyID is set; "
        "accepted: both or none",
    ),
    "vswitches": (
        changed(vswitchid="zone-1:vsw-1:vsw-2"),
        "Global.vswitchid='zone-1:vsw-1:vsw-2': not accepted; "
        "accepted: vsw-1 or zone-1:vsw-1,zone-2:vsw-2",
    ),
}


@pytest.fixture(scope="module")
def processes(world):
    """A manager for each case, side by side: each ends by itself."""
    return {
        name: world.start(config=content, **NO_METADATA) for name, (content, _) in CASES.items()
    }


@pytest.mark.parametrize("name", CASES)
def test_a_config_that_cannot_be_used_ends_the_start(world, processes, name):
    process = processes[name]
    (line,) = process.refused()
    opening = 'Cloud provider could not be initialized: could not init cloud provider "alicloud": '
    assert line.startswith(opening + CASES[name][1])
    assert line.endswith(f" (cloud config: {process.config})")
    assert "canary" not in process.text()
    assert "31415926" not in process.text()


def test_nothing_was_asked_of_cloud_or_cluster(world, processes):
    for process in processes.values():
        process.refused()
    assert world.cloud_calls() == []
    assert world.server.journal.records() == []


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        pytest.param("/no/such/file", "no such file or directory", id="missing"),
        pytest.param("/", "is a directory", id="folder"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(world, flag, text):
    (line,) = world.start(f"--cloud-config={flag}").refused()
    assert line == f"Error: --cloud-config={flag}: {text}; accepted: a readable file"
