"""Files with certificates, as administrators and the kubelet write and exchange them."""

import os
import pathlib

import pki
import pytest
from tls_handshake import REAL, shown

from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_manager import certificates
from cloudprovider_manager.contexts import Contexts
from cloudprovider_manager.files import RETRY, FileFault, FromFiles, read
from cloudprovider_manager.tls_settings import TLSSettings


class Volume:
    """A projected volume as the kubelet writes it: links to files in a folder that is a link."""

    def __init__(self, folder):
        self.folder = folder
        self._number = 0

    def write(self, **files):
        target = self.folder / f"..v{self._number}"
        self._number += 1
        target.mkdir()
        for name, content in files.items():
            path = target / name.replace("_", ".")
            path.write_bytes(content)
            os.utime(path, ns=(1, 1))  # as a backup or an image has them: all of one age
        fresh = self.folder / "..data_tmp"
        fresh.symlink_to(target.name)
        fresh.replace(self.folder / "..data")
        for name in files:
            link = self.folder / name.replace("_", ".")
            if not link.is_symlink():
                link.symlink_to(pathlib.Path("..data", link.name))


def test_a_folder_gets_a_pair_that_is_used_again(tmp_path):
    folder = str(tmp_path / "pki")
    paths = certificates.in_folder(folder, "127.0.0.1", concurrency=REAL)
    first = [pathlib.Path(path).read_text() for path in paths]
    assert oct(os.stat(paths[1]).st_mode & 0o777) == "0o600"
    again = certificates.in_folder(folder, "127.0.0.1", concurrency=REAL)
    assert again == paths
    assert [pathlib.Path(path).read_text() for path in again] == first
    certificates.from_files(*paths, concurrency=REAL)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileFault, match="--cert-dir="):
        certificates.in_folder(str(tmp_path / "file" / "x"), "127.0.0.1", concurrency=REAL)


def test_a_pair_written_in_place_is_shown_to_the_next_connection(tmp_path):
    old, new = pki.server("old"), pki.server("new")
    paths = old.write(tmp_path, "tls")
    source = certificates.from_files(*paths, concurrency=REAL)
    serving = Contexts(source, TLSSettings(), concurrency=REAL)
    first = serving.current()
    assert serving.current() is first
    assert shown(first) == old.der
    new.write(tmp_path, "tls")
    assert shown(serving.current()) == new.der


def test_a_replaced_link_of_a_projected_volume_is_noticed(tmp_path):
    old, new = pki.server("old"), pki.server("new")
    volume = Volume(tmp_path)
    volume.write(tls_crt=old.pem, tls_key=old.key_pem)
    paths = str(tmp_path / "tls.crt"), str(tmp_path / "tls.key")
    serving = Contexts(
        certificates.from_files(*paths, concurrency=REAL), TLSSettings(), concurrency=REAL
    )
    assert shown(serving.current()) == old.der
    volume.write(tls_crt=new.pem, tls_key=new.key_pem)
    assert shown(serving.current()) == new.der


@pytest.mark.parametrize("missing", ["tls.crt", "tls.key", "both"])
def test_files_that_are_gone_leave_the_old_pair_in_use(tmp_path, missing):
    old = pki.server("old")
    paths = old.write(tmp_path, "tls")
    source = certificates.from_files(*paths, concurrency=REAL)
    for path in paths:
        if missing in (pathlib.Path(path).name, "both"):
            os.unlink(path)
    assert source.current().certificate == old.pem


def test_a_half_written_pair_leaves_the_old_one_in_use_until_it_is_whole(tmp_path, caplog):
    old, new = pki.server("old"), pki.server("new")
    certificate, key = old.write(tmp_path, "tls")
    source = certificates.from_files(certificate, key, concurrency=REAL)
    steps = [
        (certificate, b""),
        (certificate, new.pem[:100]),
        (certificate, new.pem),  # the key is still the old one's
        (key, new.key_pem[:50]),
    ]
    for path, content in steps:
        pathlib.Path(path).write_bytes(content)
        assert source.current().certificate == old.pem
    assert "the old content stays in use" in caplog.text
    pathlib.Path(key).write_bytes(new.key_pem)
    assert source.current().certificate == new.pem


def test_a_reading_that_failed_is_repeated_though_nothing_seems_to_change(tmp_path):
    """The pair may be exchanged between the look at the files and their reading."""
    time = VirtualConcurrency()
    path = tmp_path / "file"
    path.write_text("good")
    broken = []

    def make():
        if broken:
            raise FileFault("half")
        return path.read_text()

    def script():
        source = FromFiles([str(path)], make, concurrency=time)
        path.write_text("better")
        broken.append(True)
        assert source.current() == "good"
        broken.clear()
        assert source.current() == "good"  # not at every connection
        time.sleep(RETRY)
        assert source.current() == "better"

    time.run(script)


def test_a_key_that_does_not_fit_is_named(tmp_path):
    one, two = (pki.server(name).write(tmp_path, name) for name in ("one", "two"))
    with pytest.raises(FileFault, match=r"one\.crt with key .*two\.key: KEY_VALUES_MISMATCH"):
        certificates.from_files(one[0], two[1], concurrency=REAL)


def test_a_key_with_a_password_is_refused_without_asking_for_it(tmp_path):
    from cryptography.hazmat.primitives import serialization

    issued = pki.server("a")
    paths = issued.write(tmp_path, "tls")
    secret = serialization.BestAvailableEncryption(b"secret")
    form = serialization.PrivateFormat.PKCS8
    encrypted = issued.key.private_bytes(serialization.Encoding.PEM, form, secret)
    pathlib.Path(paths[1]).write_bytes(encrypted)
    with pytest.raises(FileFault, match=r"tls\.key"):
        certificates.from_files(*paths, concurrency=REAL)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileFault, match=r"client CA .*none: No such file"):
        read(str(tmp_path / "none"), "client CA")
