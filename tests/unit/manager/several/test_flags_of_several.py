"""``--cloud-provider`` and ``--cloud-config`` of several providers: read, checked, handed out."""

import io

import pytest

from cloudprovider import registry
from cloudprovider.interface import Interface
from cloudprovider_manager import cloud_configs, command, provider
from cloudprovider_manager.cloud_configs import ConfigError
from cloudprovider_manager.flags import FlagError


class Stub(Interface):
    """A provider that keeps what its factory was given."""

    def __init__(self, name, config, classes=(), **options):
        self.name, self.classes, self.options = name, classes, options
        self.config = config.read() if config else None

    def provider_name(self):
        return self.name

    def has_cluster_id(self):
        return self.name != "untagged"

    def load_balancer_classes(self):
        return self.classes


@pytest.fixture
def register():
    """Register providers in this process, with flags if given."""
    made = []

    def new(name, *, flags=None, called=None, classes=()):
        def factory(config: io.TextIOBase | None, **options):
            return Stub(called or name, config, classes, **options)

        factory.flags = flags or {}
        registry.register_cloud_provider(name, factory)
        made.append(name)

    yield new
    for name in made:
        registry.unregister_cloud_provider(name)


BATCH = {"batch-size": (20, "Backends per call.", range(1, 41))}


def problems(*arguments):
    with pytest.raises(FlagError) as caught:
        command.read(arguments)
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "providers", "expected"),
    [
        ("", ("a", "b"), {}),
        ("/etc/a", ("a",), {"a": "/etc/a"}),
        ("a=/etc/a", ("a",), {"a": "/etc/a"}),
        ("/etc/x=y,z", ("a",), {"a": "/etc/x=y,z"}),
        ("a=/etc/a,b=/etc/b", ("a", "b"), {"a": "/etc/a", "b": "/etc/b"}),
        (" b=/etc/b ", ("a", "b"), {"b": "/etc/b"}),
        ("a=/etc/x=y", ("a", "b"), {"a": "/etc/x=y"}),
    ],
    ids=["none", "plain", "named", "odd path", "both", "one of two", "equals in a path"],
)
def test_configuration_files_by_provider(text, providers, expected):
    assert cloud_configs.paths(text, providers) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("/etc/a", "'/etc/a' does not say which provider it is for"),
        ("c=/etc/c", "'c' is not in --cloud-provider"),
        ("a=", "no path for a"),
        ("a=x,a=y", "a has two files"),
        ("a=x,,b=y", "'' does not say"),
    ],
    ids=["plain", "unknown", "no path", "twice", "empty item"],
)
def test_what_is_no_configuration_of_several_is_refused(text, reason):
    with pytest.raises(ConfigError) as caught:
        cloud_configs.paths(text, ("a", "b"))
    assert reason in str(caught.value)
    assert "accepted: NAME=PATH entries separated by commas, NAME one of a, b" in str(caught.value)


def test_repeated_entries_add_up_and_repeated_paths_do_not(register):
    register("a")
    register("b")
    both = command.read(["--cloud-provider=a,b", "--cloud-config=a=/dev/null",
                         "--cloud-config=b=/dev/null"])  # fmt: skip
    assert both.options.cloud_config == "a=/dev/null,b=/dev/null"
    last = command.read(["--cloud-provider=a", "--cloud-config=/no", "--cloud-config=/dev/null"])
    assert last.options.cloud_config == "/dev/null"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a,a", "a is named 2 times"),
        ("a,", "an item is empty"),
        (",", "cannot be empty"),
        ("a,external", "is for kubelet"),
        ("a,aa", 'unknown cloud provider "aa"'),
    ],
    ids=["twice", "empty", "nothing", "external", "unknown"],
)
def test_a_faulty_list_is_one_clear_fault(register, value, text):
    register("a")
    (problem,) = problems(f"--cloud-provider={value}")
    assert problem.startswith("--cloud-provider")
    assert text in problem


def test_the_default_for_load_balancers_must_run(register):
    register("a")
    register("b")
    (problem,) = problems("--cloud-provider=a,b", "--default-load-balancer-provider=c")
    assert problem == (
        "--default-load-balancer-provider=c: not in --cloud-provider; accepted: a, b, none"
    )
    for value in ("a", "b", "none"):
        command.read(["--cloud-provider=a,b", f"--default-load-balancer-provider={value}"])


def test_a_missing_file_of_one_is_named(register):
    register("a")
    register("b")
    (problem,) = problems("--cloud-provider=a,b", "--cloud-config=a=/dev/null,b=/no/such")
    assert (
        problem == "--cloud-config=/no/such: no such file or directory; accepted: a readable file"
    )


def test_each_gets_its_own_file_and_flags(register, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"config of {name}")
    register("a", flags={"zone": ("", "A zone."), **BATCH})
    register("b", flags=BATCH)
    asked = command.read([
        "--cloud-provider=a,b", f"--cloud-config=a={tmp_path}/a,b={tmp_path}/b", "--zone=z",
        "--a-batch-size=7", "--b-batch-size=9",
    ])  # fmt: skip
    first, second = provider.build_all(asked.options)
    assert (first.config, second.config) == ("config of a", "config of b")
    assert first.options == {"zone": "z", "batch_size": 7}
    assert second.options == {"batch_size": 9}


def test_a_flag_of_two_is_not_taken_without_a_name(register):
    register("a", flags=BATCH)
    register("b", flags=BATCH)
    (problem,) = problems("--cloud-provider=a,b", "--batch-size=7")
    assert "unknown flag: --batch-size, did you mean --" in problem
    assert "--a-batch-size" in command.read(["--cloud-provider=a,b", "--help"]).help


@pytest.mark.parametrize(
    ("second", "text"),
    [
        ({"called": "other"}, 'cloud provider "b" calls itself "other"'),
        ({"called": "untagged"}, 'cloud provider "b" calls itself "untagged"'),
        ({"classes": ("x/a",)}, "load balancer class x/a is that of a and of b"),
    ],
    ids=["another name", "yet another", "a class of both"],
)
def test_what_cannot_run_side_by_side_is_found_when_built(register, second, text):
    register("a", classes=("x/a",))
    register("b", **second)
    options = command.read(["--cloud-provider=a,b"]).options
    with pytest.raises(registry.CloudProviderInitError, match=text):
        provider.route(provider.build_all(options), options, None)


def test_one_without_cluster_id_is_named(register):
    register("a")
    register("untagged")
    options = command.read(["--cloud-provider=a,untagged"]).options
    with pytest.raises(registry.CloudProviderInitError, match="untagged: no ClusterID found"):
        provider.route(provider.build_all(options), options, None)
