"""The generated pages of the reference are current and leave nothing out."""

import ast
import json
import re

import generate
import pytest
from generator import errors, events, metrics, source_events

PACKAGES = [
    "cloudprovider/src",
    "controllers/src",
    "entrypoints/manager/src",
    "providers/alicloud/src",
]
#: Controllers that the manager does not start are no matter of the reference.
UNUSED = {"node", "service", "nodelifecycle", "route"} - source_events.started()
#: Plays every scenario once: for the tests of faults.
SLOW = "docs/reference/faults.md"
PAGES = [
    pytest.param(name, marks=[pytest.mark.faults, pytest.mark.timeout(240)] if name == SLOW else [])
    for name in generate.PAGES
]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name):
    text = (generate.ROOT / name).read_text(encoding="utf-8")
    assert text == generate.PAGES[name](), f"{name} is stale: run `make docs`"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_the_same_every_time(name):
    assert generate.PAGES[name]() == generate.PAGES[name]()


def test_check_names_what_is_stale_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    quick = {name: page for name, page in generate.PAGES.items() if name != SLOW}
    monkeypatch.setattr(generate, "PAGES", quick)
    assert generate.main(["--check"]) == 1
    assert "docs/reference/flags.md is stale" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0


def test_every_table_has_as_many_cells_in_each_row(root):
    for path in (root / "docs" / "reference").glob("*.md"):
        for block in re.findall(r"(?:^\|.*\n)+", path.read_text(), re.MULTILINE):
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(widths) == 1, f"{path.name}: {block.splitlines()[0]}"


def test_every_error_class_is_explained():
    names = {kind.__name__ for kind in errors.classes()}
    assert len(names) >= 12
    assert set(errors._NOTES) <= names


def sources(root):
    """Every module of the controllers, the manager and the provider, parsed."""
    for package in PACKAGES:
        for path in (root / package).rglob("*.py"):
            if not {"testing", "emulator", *UNUSED} & set(path.parts):
                yield ast.parse(path.read_text(encoding="utf-8"))


def strings(node):
    """The constant strings in a tree."""
    found = (item.value for item in ast.walk(node) if isinstance(item, ast.Constant))
    return {text for text in found if isinstance(text, str)}


def test_every_reason_in_the_code_is_on_the_page_of_events(root):
    reasons = set()
    for tree in sources(root):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr in ("event", "_normal"):
                    reasons |= set().union(*map(strings, node.args))
            elif isinstance(node, ast.FunctionDef) and node.name == "reason":
                reasons |= {
                    text
                    for item in ast.walk(node)
                    if isinstance(item, ast.Return)
                    for text in strings(item)
                }
    reasons = {text for text in reasons if re.fullmatch(r"([A-Z][a-z]+)+", text)}
    reasons -= {"Normal", "Warning"}
    listed = {event.reason for event, _ in events._events()}
    assert reasons == listed


def test_every_metric_in_the_code_is_on_the_page_of_metrics(root):
    listed = {row[0].strip("`").removesuffix("_total") for row in metrics.rows()}
    for tree in sources(root):
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            if node.func.id.lower() in ("counter", "gauge", "histogram") and node.args:
                # In a function that makes several metrics the name lacks the common prefix.
                for name in strings(node.args[0]):
                    found = [row for row in listed if row.endswith(name.removesuffix("_total"))]
                    assert found or name.endswith("_"), f"{name} is missing: run `make docs`"


def test_the_policy_is_json_of_the_form_that_ram_takes(root):
    policy = json.loads((root / "docs/reference/alicloud-ram-policy.json").read_text())
    (statement,) = policy["Statement"]
    assert policy["Version"] == "1"
    assert statement["Effect"] == "Allow"
    assert all(re.fullmatch(r"(slb|ecs|vpc):[A-Z][A-Za-z]+", name) for name in statement["Action"])
