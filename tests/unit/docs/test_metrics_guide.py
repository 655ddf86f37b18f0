"""The manifests in the guide to metrics say what the code needs."""

import pathlib
import re

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "guides" / "metrics.md").read_text()
MANIFESTS = sorted((ROOT / "examples" / "rbac").glob("*.yaml"))


def blocks(language):
    """The code blocks of the guide, which may stand in lists."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", GUIDE, re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def test_prometheus_is_given_what_it_reads():
    role, binding = yaml.safe_load_all(blocks("yaml")[0])
    (rule,) = role["rules"]
    assert rule == {"nonResourceURLs": ["/metrics", "/metrics/slis"], "verbs": ["get"]}
    assert binding["roleRef"]["name"] == role["metadata"]["name"]


def test_prometheus_asks_over_https_with_its_token():
    (job,) = yaml.safe_load(blocks("yaml")[1])["scrape_configs"]
    assert job["scheme"] == "https"
    assert job["authorization"]["credentials_file"].endswith("/token")
    (relabel,) = job["relabel_configs"]
    assert relabel["replacement"].endswith(":10258")


def test_the_roles_of_the_guide_are_those_that_every_cluster_has():
    named = set(re.findall(r"--(?:cluster)?role=(\S+)", GUIDE))
    assert named == {"system:auth-delegator", "extension-apiserver-authentication-reader"}


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_the_manifests_grant_the_right_to_ask(path):
    rules = [
        rule for body in yaml.safe_load_all(path.read_text()) for rule in body.get("rules", ())
    ]
    granted = {
        (verb, what) for rule in rules for verb in rule["verbs"] for what in rule["resources"]
    }
    asked = {("create", "tokenreviews"), ("create", "subjectaccessreviews"), ("get", "configmaps")}
    assert asked <= granted
