"""Upstream's own tests of ``--controllers``, names, webhooks and leader migration, re-created."""

import importlib
import itertools
import re

import pytest

from cloudprovider_manager import command, controllers, validation
from cloudprovider_manager.flags import FlagError
from cloudprovider_manager.options import Options

MODULES = ("node", "nodelifecycle", "service", "route")
NAMES = [importlib.import_module(f"cloudprovider_controllers.{m}.controller").NAME for m in MODULES]

OFF_BY_DEFAULT = ("delta", "echo")


def upstream(function, case):
    """A row of a table that is named as in upstream's table."""
    return {"id": case, "marks": pytest.mark.upstream(f"{function}/{case}")}


def enabled(case):
    return upstream("TestIsControllerEnabled", case)


@pytest.mark.parametrize(
    ("name", "items", "on"),
    [
        pytest.param("bravo", ["alpha", "bravo", "-charlie"], True, **enabled("on by name")),
        pytest.param("charlie", ["alpha", "bravo", "-charlie"], False, **enabled("off by name")),
        pytest.param("alpha", ["*"], True, **enabled("on by default")),
        pytest.param("delta", ["*"], False, **enabled("off by default")),
        pytest.param("alpha", ["*", "-charlie"], True, **enabled("on by star, not off by name")),
        pytest.param("charlie", ["*", "-charlie"], False, **enabled("off by name with star")),
        pytest.param(
            "foxtrot",
            ["alpha", "bravo", "-charlie"],
            False,
            **enabled("off by default implicit, no star"),
        ),
    ],
)
def test_the_first_item_that_names_a_controller_decides(name, items, on):
    assert controllers.enabled(name, items, {}, OFF_BY_DEFAULT) is on


@pytest.mark.gap("`--controllers` \u00d7 4 names \u00d7 alias \u00d7 minus")
@pytest.mark.parametrize(
    ("spelling", "name"), [*((name, name) for name in NAMES), *controllers.ALIASES.items()]
)
@pytest.mark.parametrize("minus", ["", "-"])
@pytest.mark.parametrize("star", [False, True])
def test_each_of_ours_by_name_and_alias_with_and_without_minus(stub, spelling, name, minus, star):
    items = [*(["*"] if star else []), minus + spelling]
    options = command.read(["--cloud-provider=stub", f"--controllers={','.join(items)}"]).options
    for other in NAMES:
        expected = not minus if other == name else star
        assert validation.controller_enabled(other, options) is expected


COLOURS = ("red-controller", "green-controller", "blue-controller")
COLOUR_ALIASES = {
    "crimson-controller": "red-controller",
    "pink-controller": "red-controller",
    "ultramarine-controller": "blue-controller",
}
VALIDATE = "TestValidateGenericControllerManagerConfigurationOptions"
APPLY = "TestApplyToGenericControllerManagerConfigurationOptions"


@pytest.mark.parametrize(
    ("known", "aliases", "items", "unknown"),
    [
        pytest.param((), {}, ["*"], [], **upstream(VALIDATE, "no controllers defined")),
        pytest.param(
            COLOURS, COLOUR_ALIASES, [], [], **upstream(VALIDATE, "recognizes empty controllers")
        ),
        pytest.param(
            COLOURS,
            {},
            ["blue-controller"],
            [],
            **upstream(VALIDATE, "recognizes controllers without any aliases"),
        ),
        pytest.param(
            COLOURS,
            COLOUR_ALIASES,
            ["*", "-red-controller", "blue-controller"],
            [],
            **upstream(VALIDATE, "recognizes valid controllers"),
        ),
        pytest.param(
            COLOURS,
            COLOUR_ALIASES,
            ["green-controller"],
            [],
            **upstream(VALIDATE, "recognizes disabled controller"),
        ),
        pytest.param(
            COLOURS,
            COLOUR_ALIASES,
            ["ultramarine-controller", "-pink-controller"],
            [],
            **upstream(VALIDATE, "recognized aliased controller"),
        ),
        pytest.param(
            (),
            {},
            ["red-controller"],
            ["red-controller"],
            **upstream(VALIDATE, "does not recognize controller"),
        ),
        pytest.param(
            COLOURS,
            COLOUR_ALIASES,
            ["crimson-controller", "grey-controller"],
            ["grey-controller"],
            **upstream(VALIDATE, "does not recognize controller with aliases"),
        ),
    ],
)
def test_names_that_are_no_controllers_are_found(known, aliases, items, unknown):
    assert controllers.unknown(items, known, aliases) == unknown


def test_a_name_that_is_no_controller_is_told_as_upstream_tells_it(stub):
    with pytest.raises(FlagError) as caught:
        command.read(["--cloud-provider=stub", "--controllers=*,-servce"])
    (problem,) = caught.value.problems
    assert '"servce" is not in the list of known controllers, did you mean service?' in problem


@pytest.mark.upstream(f"{VALIDATE}/leader election accepts only leases")
@pytest.mark.parametrize("lock", ["configmapsleases", "endpointsleases", "endpoints", "configmaps"])
def test_a_lock_that_is_no_lease_is_refused_when_strict_and_warned_about_else(stub, lock):
    typed = ["--cloud-provider=stub", f"--leader-elect-resource-lock={lock}"]
    with pytest.raises(FlagError, match='resourceLock value must be "leases"'):
        command.read([*typed, "--strict-flags"])
    assert command.read([*typed, "--strict-flags", "--leader-elect=false"])
    assert any("HOLDS A LEASE" in text for text in command.read(typed).warnings)


@pytest.mark.parametrize(
    ("aliases", "items", "resolved"),
    [
        pytest.param({}, ["*"], ["*"], **upstream(APPLY, "no controllers defined")),
        pytest.param(
            {}, ["-blue-controller"], ["-blue-controller"], **upstream(APPLY, "empty aliases")
        ),
        pytest.param(
            COLOUR_ALIASES,
            ["*", "green-controller", "-red-controller", "blue-controller"],
            ["*", "green-controller", "-red-controller", "blue-controller"],
            **upstream(APPLY, "applies valid controllers"),
        ),
        pytest.param(
            COLOUR_ALIASES,
            [
                "green-controller",
                "-crimson-controller",
                "ultramarine-controller",
                "-pink-controller",
            ],
            ["green-controller", "-red-controller", "blue-controller", "-red-controller"],
            **upstream(APPLY, "resolves aliases"),
        ),
    ],
)
def test_aliases_become_canonical_names(aliases, items, resolved):
    assert list(controllers.resolve(items, aliases)) == resolved


@pytest.mark.upstream("TestCloudControllerNamesConsistency")
@pytest.mark.parametrize("name", NAMES)
def test_a_controllers_name_has_the_usual_form(name):
    assert re.fullmatch("[a-z]([-a-z]*[a-z])?", name)
    assert name.endswith("-controller")


@pytest.mark.upstream("TestCloudControllerNamesDeclaration")
def test_every_controller_that_can_start_is_declared_and_the_other_way_round():
    assert sorted(NAMES) == sorted(controllers.CONTROLLERS)


@pytest.mark.parametrize(
    ("typed", "warned"),
    [
        ("node,route,service,nlb", "load balancers of every kind are the service controller's"),
        ("*,ingress", "this manager has none"),
        ("ingress,pvtz", "no controller runs"),
        ("", "no controller runs"),
    ],
)
def test_controllers_of_alibabas_manager_are_known(stub, typed, warned):
    asked = command.read(["--cloud-provider=stub", f"--controllers={typed}"])
    assert any(warned in text for text in asked.warnings)


# -- webhooks: none are served, so none can be switched on or off --------------------------------


def webhooks(case):
    return upstream("TestWebhookEnableDisable", case)


@pytest.mark.parametrize(
    ("items", "refused"),
    [
        pytest.param(
            ["webhook-a", "webhook-b"], ["webhook-a", "webhook-b"], **webhooks("Webhooks Enabled")
        ),
        pytest.param(["webhook-a"], ["webhook-a"], **webhooks("Webhook Not Enabled")),
        pytest.param(
            ["webhook-a", "-webhook-b"],
            ["webhook-a", "webhook-b"],
            **webhooks("Webhook Disabled (1)"),
        ),
        pytest.param(["-webhook-b"], ["webhook-b"], **webhooks("Webhook Disabled (2)")),
        pytest.param(["*"], [], **webhooks("Webhooks Enabled Glob")),
    ],
)
def test_a_webhook_that_is_named_is_refused_as_unknown(stub, items, refused):
    typed = ["--cloud-provider=stub", f"--webhooks={','.join(items)}"]
    if not refused:
        assert any("no admission webhooks are served" in t for t in command.read(typed).warnings)
        return
    with pytest.raises(FlagError) as caught:
        command.read(typed)
    assert len(caught.value.problems) == len(refused)
    for problem, name in zip(caught.value.problems, refused, strict=True):
        assert f'"{name}" is not in the list of known webhooks' in problem
        assert problem.endswith("accepted: * or nothing")


def test_the_port_of_webhooks_may_not_be_the_secure_port():
    (problem,) = validation.problems(
        Options(cloud_provider="x", secure_port=10260, webhook_secure_port=10260)
    )
    assert "--webhook-secure-port cannot be the same value as --secure-port" in problem


# -- leader migration is refused -----------------------------------------------------------------

READ = "TestReadLeaderMigrationConfiguration"
CHECK = "TestValidateLeaderMigrationConfiguration"
FILTER = "TestLeaderMigratorFilterFunc"
OPTIONS = "TestLeaderMigrationOptions"
#: Every case of upstream's tests of a function that is not there.
MIGRATION = [
    *itertools.product(
        [READ],
        [
            "empty",
            "wrong type",
            "basic",
            "endpoints",
            "unknown field causes error with strict validation",
            "duplicate field causes error with strict validation",
            "withLeaders",
        ],
    ),
    *itertools.product(
        [CHECK],
        ["empty name", "invalid resourceLock", "empty controllerLeaders (valid)", "endpoints"],
    ),
    *(
        (FILTER, f"{kind} config, {component}")
        for kind in ("from", "to", "wildcard")
        for component in ("kcm", "ccm")
    ),
    *itertools.product(
        [OPTIONS],
        [
            "enabled, with default configuration",
            "enabled, with custom configuration file",
            "enabled, with custom configuration file (version v1beta1)",
            "enabled, with custom configuration file (version v1)",
            "enabled, with populated controllerLeaders (version v1)",
            "enabled, with non-wildcard controllerLeaders (version v1)",
        ],
    ),
]


@pytest.mark.defect(29)
@pytest.mark.upstream(*(f"{function}/{case}" for function, case in MIGRATION))
@pytest.mark.parametrize(
    "spelling", ["--enable-leader-migration", "--enable_leader_migration=true"]
)
@pytest.mark.parametrize("content", [None, "kind: LeaderMigrationConfiguration\n", "not: [yaml"])
def test_leader_migration_is_refused_whatever_its_file_holds(stub, tmp_path, spelling, content):
    typed = ["--cloud-provider=stub", spelling]
    if content is not None:
        (tmp_path / "migration.yaml").write_text(content)
        typed.append(f"--leader-migration-config={tmp_path}/migration.yaml")
    with pytest.raises(FlagError) as caught:
        command.read(typed)
    (problem,) = caught.value.problems
    assert "=true is refused: a second lock that only some controllers wait for is not" in problem
    assert "stop the cloud loops of kube-controller-manager" in problem
    assert problem.endswith("; accepted: false")


def test_leader_migration_that_is_off_is_accepted(stub):
    asked = command.read(["--cloud-provider=stub", "--enable-leader-migration=false"])
    assert any("does nothing here" in text for text in asked.warnings)
