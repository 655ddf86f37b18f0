"""Every test of Kubernetes' own has a counterpart here, and every mark names something real."""

import pytest
from generator import conformance, upstream

FILES = upstream.files()


def missing(names, ours):
    """Fails with all names that have no test, one a line."""
    left = [name for name in names if not ours.get(name)]
    assert not left, "without a test:\n" + "\n".join(left)


def test_the_catalogue_is_complete():
    # spec/ccm-core.md 5 counts 319 named cases: it leaves out the five of the webhooks, whose
    # names stand in their rows without a key.
    ours = [
        f for file in FILES if file.repository != "kubernetes/kubernetes" for f in file.functions
    ]
    cases = [case for function in ours for case in function.cases]
    unnamed = [case for case in cases if case.startswith("row ")]
    assert len(ours) == 69
    assert (len(cases) - len(unnamed), len(unnamed)) == (319 + 5, 57)


def test_no_function_is_listed_twice():
    names = [function.name for file in FILES for function in file.functions]
    assert len(names) == len(set(names))


def test_every_mark_names_something_that_exists():
    assert upstream.marks().problems == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.label)
def test_every_case_has_a_counterpart(file):
    missing(file.names(), upstream.marks().upstream)


def test_every_defect_has_a_test():
    missing(upstream.defects(), upstream.marks().defect)


def test_every_gap_has_a_test():
    missing(upstream.gaps(), upstream.marks().gap)


def mark(kind="upstream", names=(), row=True, test="tests/t.py::test_a[b]", **options):
    return {"kind": kind, "names": list(names), "options": options, "test": test, "row": row}


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        pytest.param(
            mark(names=["TestNeedsUpdate/nothing"]), "'TestNeedsUpdate/nothing'", id="case"
        ),
        pytest.param(mark(names=["TestNeedsUpdate"]), "'TestNeedsUpdate'", id="table as a whole"),
        pytest.param(mark("defect", [40]), "40", id="defect"),
        pytest.param(mark("gap", ["UID swop"]), "'UID swop'", id="gap"),
        pytest.param(mark("gap", ["UID swap"], instead="x"), "an option 'instead'", id="option"),
        pytest.param(mark(), "names nothing", id="no name"),
    ],
)
def test_a_mark_that_names_nothing_real_is_a_problem(found, problem):
    [text] = upstream.sort_out([found]).problems
    assert text.startswith("tests/t.py::test_a[b]: ")
    assert text.endswith(problem)


@pytest.mark.parametrize(
    ("case", "test"),
    [
        (
            "TestServiceCache/Del",
            "test_state.py::test_a_dropped_state_is_gone_and_dropping_twice_is_fine",
        ),
        (
            "TestRemoveFinalizer/remove finalizer",
            "test_upstream_writes.py::test_the_finalizer_is_removed[the only one]",
        ),
    ],
    ids=["test", "row"],
)
def test_marks_of_rows_and_of_whole_tests_are_told_apart(case, test):
    found = {counterpart.test for counterpart in upstream.marks().upstream[case]}
    assert f"tests/unit/controllers/service/{test}" in found


def test_a_mark_of_a_whole_table_is_shown_once():
    rows = [mark(names=["TestAllowAll/row 1"], row=False, test=f"t.py::test_a[{n}]") for n in "ab"]
    assert upstream.sort_out(rows).upstream == {
        "TestAllowAll/row 1": [upstream.Counterpart("t.py::test_a")]
    }


def test_what_is_decided_otherwise_is_told():
    name = "TestPatchService"
    found = upstream.sort_out([mark(names=[name], instead="left alone")])
    [row] = conformance._cases(upstream.Function(name, ()), found)
    assert row == ("the whole test", "[`test_a[b]`](../../tests/t.py)", "left alone")


def test_gaps_are_compared_without_case_and_backticks():
    found = upstream.sort_out([mark("gap", ["Start without `--cluster-cidr`"])])
    assert list(found.gap) == ["start without --cluster-cidr"]
