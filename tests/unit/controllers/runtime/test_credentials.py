"""Credentials that are fixed, and token files that change."""

import pytest

from cloudprovider.concurrency import current
from cloudprovider_controllers.runtime.credentials import CredentialError, TokenFile, credentials
from cloudprovider_controllers.runtime.kubeconfig import ClusterConfig, Pem

# -- fixed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "header"),
    [
        ({"token_file": "token", "token": "given"}, "Bearer from-file"),
        ({"token": "given", "username": "me"}, "Bearer given"),
        ({"username": "me", "password": "p:w"}, "Basic bWU6cDp3"),
        ({}, ""),
    ],
    ids=["token file", "token", "password", "none"],
)
def test_which_credential_is_used(tmp_path, monkeypatch, fields, header):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text("from-file\n")
    assert credentials(ClusterConfig("https://x", **fields), None).authorization() == header


def test_a_token_source_replaces_everything():
    class Source:
        def token(self):
            return "other"

        def refresh(self, refused):
            return refused == "other"

    config = ClusterConfig(
        "https://x", token="t", client_certificate=Pem(data=b"c"), client_key=Pem(data=b"k")
    )
    found = credentials(config, Source())
    assert found.authorization() == "Bearer other"
    assert found.key_pair() is None
    assert found.refresh("Bearer other")


# -- token files ---------------------------------------------------------------------------------


def test_a_token_file_is_read_again_after_a_minute(virtually, tmp_path):
    def main():
        path = tmp_path / "token"
        path.write_text("one\n")
        source = TokenFile(str(path))
        assert source.token() == "one"
        path.write_text("two")
        current().sleep(59)
        assert source.token() == "one"
        current().sleep(1)
        assert source.token() == "two"

    virtually(main)


def test_a_refused_token_is_read_again_at_once(virtually, tmp_path):
    def main():
        path = tmp_path / "token"
        path.write_text("one")
        source = TokenFile(str(path))
        source.token()
        assert not source.refresh("one")
        path.write_text("two")
        assert source.refresh("one")
        assert source.refresh("one")  # another thread, refused with the same token
        assert source.token() == "two"

    virtually(main)


@pytest.mark.parametrize("broken", [None, "", "two words", "line\nbreak", "\x00"])
def test_a_file_in_mid_rotation_leaves_the_old_token(virtually, tmp_path, broken, caplog):
    def main():
        path = tmp_path / "token"
        path.write_text("one")
        source = TokenFile(str(path))
        source.token()
        path.unlink() if broken is None else path.write_text(broken)
        current().sleep(60)
        assert source.token() == "one"
        assert "using the last one" in caplog.text
        if broken:
            assert broken not in caplog.text

    virtually(main)


@pytest.mark.parametrize("content", [None, "", "s3cret s3cret", "s3cret\ns3cret", "s3crét"])
def test_without_any_token_there_is_a_clear_error(virtually, tmp_path, content):
    def main():
        path = tmp_path / "token"
        if content is not None:
            path.write_text(content)
        with pytest.raises(CredentialError) as caught:
            TokenFile(str(path)).token()
        assert str(path) in str(caught.value)
        assert "s3cr" not in str(caught.value)
        assert caught.value.__cause__ is None

    virtually(main)
