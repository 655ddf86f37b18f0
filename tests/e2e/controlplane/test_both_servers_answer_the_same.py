"""The embedded server answers as kube-apiserver does, but for what ``known_differences`` lists."""

import concurrent.futures
import os

import pytest
import reference_page
import topics_access
import topics_manager
import topics_objects
import topics_reads
import topics_validation
from exchange import Exchange, compare
from known_differences import KNOWN, WHY, unknown, used

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90, func_only=True)]
MODULES = (topics_manager, topics_objects, topics_validation, topics_reads, topics_access)
TOPICS = [topic for module in MODULES for topic in module.TOPICS]


def answers(server, topic):
    with Exchange(server, topic.__name__) as exchange:
        topic(exchange)
    return exchange.answers


@pytest.fixture(scope="session")
def rows():
    """Lines of the reference page; written to it at the end if that is asked for."""
    lines = {}
    yield lines
    if os.environ.get("WRITE_REFERENCE"):
        assert set(lines) == set(TOPICS), "all topics must be run to write the page"
        reference_page.PAGE.write_text(reference_page.page(lines[topic] for topic in TOPICS))


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.__name__)
def test_topic(embedded, real, topic, rows):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        ours, theirs = pool.map(answers, (embedded, real), (topic, topic))
    assert list(ours) == list(theirs)
    found = [
        (f"{topic.__name__}/{name}", field, mine, other)
        for name in ours
        for field, mine, other in compare(ours[name], theirs[name])
    ]
    assert unknown(found) == []
    expected = {known for known in KNOWN if known.question.startswith(f"{topic.__name__}/")}
    assert expected - used(found) == set(), "no difference any more: strike it off the list"
    rows[topic] = reference_page.row(topic, len(ours), len({question for question, *_ in found}))
    if not os.environ.get("WRITE_REFERENCE"):
        assert rows[topic] in reference_page.PAGE.read_text(), "stale: see reference_page"


@pytest.mark.skipif("WRITE_REFERENCE" in os.environ, reason="it is written at the end")
def test_the_page_lists_every_known_difference():
    assert reference_page.PAGE.read_text().endswith(reference_page.differences())
    assert {known.why for known in KNOWN} == set(WHY)
