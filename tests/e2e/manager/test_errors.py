"""A start that cannot work ends with 1 and one clear line, before anything is done."""

import pytest

pytestmark = pytest.mark.e2e


def refused(process):
    """The lines of stderr that are errors."""
    assert process.wait() == 1
    assert "Traceback" not in process.text()
    return [line for line in process.text().splitlines() if line.startswith(("Error: ", "E"))]


@pytest.mark.parametrize(
    ("provider", "text"),
    [
        ("nope", 'unknown cloud provider "nope"; installed: '),
        ("fakecluod", "Did you mean 'fakecloud'?"),
        ("brokencloud", "distribution fakecloud 1.0 (no_such_module:new) failed to load: "),
        ("external", "is for kubelet and kube-apiserver"),
        ("", "--cloud-provider cannot be empty"),
    ],
)
def test_a_provider_that_cannot_be_used_is_explained(cluster, provider, text):
    (line,) = refused(cluster.start(provider=provider))
    assert text in line


def test_a_missing_cloud_config_is_named(cluster):
    (line,) = refused(cluster.start("--cloud-config=/no/such/file"))
    assert "--cloud-config=/no/such/file: no such file or directory" in line


def test_a_cloud_config_that_the_provider_refuses_ends_the_leader(cluster, until):
    path = cluster.folder / "cloud.conf"
    path.write_text("broken")
    path.chmod(0o600)
    process = cluster.start(f"--cloud-config={path}")
    (line,) = refused(process)
    assert 'could not init cloud provider "fakecloud": line 1: broken is not known' in line
    assert cluster.holder() == ""


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", "current-context: not set"),
        ("a: [", "not YAML at line"),
        ("current-context: x", "contexts: there is none called 'x'"),
    ],
)
def test_a_wrong_kubeconfig_is_named_with_the_field(cluster, content, text):
    cluster.kubeconfig.write_text(content)
    (line,) = refused(cluster.start())
    assert f"kubeconfig {cluster.kubeconfig}: " in line
    assert text in line


def test_a_missing_kubeconfig_is_named(cluster):
    cluster.kubeconfig.unlink()
    (line,) = refused(cluster.start())
    assert "--kubeconfig=" in line
    assert "no such file" in line


@pytest.mark.upstream("TestComponentSecureServingAndAuth/no-flags")
def test_outside_a_cluster_without_kubeconfig_it_says_what_to_give(cluster, port):
    process = cluster.start_typed(
        "--cloud-provider=fakecloud", f"--secure-port={port}", "--bind-address=127.0.0.1", port=port
    )
    (line,) = refused(process)
    assert "neither --kubeconfig nor --master is given" in line


def test_an_unknown_flag_is_pointed_out(cluster):
    lines = refused(cluster.start("--kube-api-qp=5"))
    assert lines == ["Error: unknown flag: --kube-api-qp, did you mean --kube-api-qps?"]


def test_a_taken_port_is_named(cluster, until, port):
    first = cluster.start(port=port)
    until(lambda: first.get("/healthz")[0] == 200)
    (line,) = refused(cluster.start(port=port))
    assert f"cannot serve on 127.0.0.1:{port}" in line
    first.signal()
    assert first.wait() == 0


def test_a_certificate_that_cannot_be_used_is_named(cluster):
    path = cluster.folder / "tls.crt"
    path.write_text("no certificate")
    process = cluster.start(f"--tls-cert-file={path}", f"--tls-private-key-file={path}")
    (line,) = refused(process)
    assert str(path) in line
