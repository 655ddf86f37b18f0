"""Every relative link in the documentation leads somewhere."""

import functools
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[3]
FOLDERS = ("docs", "examples", "cloudprovider", "controllers", "entrypoints", "providers")
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(p for f in FOLDERS for p in (ROOT / f).rglob("*.md")))
    if not {"build", "node_modules"} & set(path.parts)
)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def name(path):
    return str(path.relative_to(ROOT))


def links(path):
    """Targets of the relative links of a page."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    found = LINK.findall(re.sub(r"`[^`]*`", "", text))
    return [target for target in found if not re.match(r"[a-z]+:", target)]


@functools.cache
def anchors(path):
    """The anchors of a page's headings, as a forge makes them."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_relative_links_lead_somewhere(path):
    for target in links(path):
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.is_relative_to(ROOT), f"{target} leaves the repository"
        assert found.exists(), f"{target} does not exist"
        if anchor and found.suffix == ".md":
            assert anchor in anchors(found), f"{target}: no such heading"


def test_the_pages_are_found():
    names = {name(path) for path in PAGES}
    assert {"README.md", "CHANGELOG.md", "docs/README.md", "docs/reference/flags.md"} <= names


@pytest.mark.parametrize("folder", ["tutorials", "guides", "reference", "explanation", "decisions"])
def test_every_folder_of_the_documentation_has_pages(folder):
    assert list((ROOT / "docs" / folder).glob("*.md"))


@pytest.mark.parametrize("path", [p for p in PAGES if p.parts[-1] == "README.md"], ids=name)
def test_the_readme_of_a_distribution_stands_alone(path):
    # It is also the page of the package index, where relative links lead nowhere.
    if (path.parent / "setup.cfg").is_file() and path.parent != ROOT:
        assert links(path) == []
