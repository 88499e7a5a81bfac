"""Records, journals and the places that they lie in."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from netlab.errors import Unavailable, UsageError
from netlab.facts import Address, Namespace, facts_of, to_json
from netlab.store import Record, Store

MACHINE = 4026531840
FACTS = (Namespace("ns0"), Address("ns0", "eth0", "10.0.0.1/24"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "netlab"


@pytest.fixture
def store(root: Path) -> Store:
    return Store(root, MACHINE)


def record(lab: str = "demo") -> Record:
    return Record(
        lab=lab,
        file="/home/me/demo.yml",
        text="name: demo\n",
        facts=[to_json(fact) for fact in FACTS],
        applied_at=1700000000.5,
        sandbox={"pid": 7, "start_time": 99},
        allocated={("ns0", "eth0"): "10.0.0.1/24"},
        initial={"ns0": {"net.ipv4.ip_forward": "0"}},
        confirm={"until": 1.0, "pid": 3, "start_time": 4, "previous": None},
    )


def test_nothing_is_made_before_the_first_write(store: Store, root: Path) -> None:
    assert store.record("demo") is None
    assert store.pending("demo") is None
    assert store.labs() == ()
    assert store.ledger.entries() == {}
    store.forget("demo")
    store.end("demo")
    assert not root.exists()


def test_a_record_comes_back_as_it_was_saved(store: Store) -> None:
    store.save(record())
    found = store.record("demo")
    assert found == record()
    assert found is not None
    assert found.applied() == facts_of(FACTS)
    assert store.labs() == ("demo",)


def test_everything_is_private(store: Store, root: Path) -> None:
    old = os.umask(0)
    try:
        with store.lock("demo"):
            store.save(record())
            store.begin("demo", {})
            store.ledger.join("demo", {"net.ipv4.ip_forward": ("0", "1")})
            modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in [root, *root.rglob("*")]}
            kinds = {path: path.is_dir() for path in modes}
    finally:
        os.umask(old)
    assert len(modes) > 6
    assert all(mode == (0o700 if kinds[path] else 0o600) for path, mode in modes.items()), modes


def test_machines_do_not_mix(root: Path) -> None:
    Store(root, 1).save(record())
    assert Store(root, 2).labs() == ()
    assert Store(root, 1).labs() == ("demo",)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b'{"version": 1, "lab": "de',
        b"\x00\xff\xfe",
        b"[]",
        b"null",
        b"7",
        b'{"version": 1}',
        b'{"version": 99, "lab": "demo"}',
        b"[" * 100000,
    ],
)
def test_a_record_without_sense_counts_as_lost_and_is_moved_aside(store: Store, root: Path, text: bytes) -> None:
    store.save(record())
    path = root / str(MACHINE) / "demo" / "record.json"
    path.write_bytes(text)
    assert store.record("demo") is None
    if text != b"null":
        assert path.with_name("record.json.lost").read_bytes() == text
    store.save(record())
    assert store.record("demo") == record()
    store.forget("demo")
    assert not root.exists()


@pytest.mark.parametrize("field", ["lab", "file", "text", "facts", "allocated", "initial", "sandbox", "confirm"])
def test_a_record_with_a_field_of_another_type_is_lost(store: Store, root: Path, field: str) -> None:
    import json

    value = record().to_json()
    value[field] = 7
    store.save(record())
    (root / str(MACHINE) / "demo" / "record.json").write_text(json.dumps(value))
    assert store.record("demo") is None


def test_facts_of_another_version_are_an_error_that_says_what_to_type(store: Store) -> None:
    store.save(replace(record(), facts=[{"fact": "wormhole", "node": "ns0"}]))
    found = store.record("demo")
    assert found is not None
    with pytest.raises(Unavailable, match="netlab destroy demo"):
        found.applied()


def test_a_save_cut_off_leaves_the_old_record(store: Store, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save(record())

    def killed(*paths: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        store.save(replace(record(), text="another"))
    monkeypatch.undo()
    assert store.record("demo") == record()
    store.save(replace(record(), text="another"))
    found = store.record("demo")
    assert found is not None
    assert found.text == "another"


def test_the_journal_says_that_work_is_under_way_until_it_ends(store: Store) -> None:
    store.begin("demo", {"verb": "apply", "before": None, "want": [to_json(FACTS[0])]})
    assert store.pending("demo") == {"verb": "apply", "before": None, "want": [to_json(FACTS[0])]}
    assert store.labs() == ("demo",)
    store.end("demo")
    assert store.pending("demo") is None
    assert store.labs() == ()


def test_forgetting_leaves_nothing(store: Store, root: Path) -> None:
    with store.lock("demo"):
        store.save(record())
        store.begin("demo", {})
        store.forget("demo")
    assert not root.exists()


def test_forgetting_one_lab_leaves_the_others(store: Store) -> None:
    store.save(record("a"))
    store.save(record("a-b"))
    store.forget("a")
    assert store.labs() == ("a-b",)


@pytest.mark.parametrize("name", ["../demo", "", ".ledger", "a/b", "x" * 200, "a\0b"])
def test_a_name_that_is_none_reaches_no_file(store: Store, name: str) -> None:
    for ask in (store.record, store.pending, store.forget, store.end):
        with pytest.raises(UsageError):
            ask(name)


@pytest.mark.parametrize("fault", ["a symbolic link", "mode 0755", "not a directory"])
def test_a_place_that_is_not_ours_alone_is_refused(root: Path, tmp_path: Path, fault: str) -> None:
    if fault == "a symbolic link":
        (tmp_path / "elsewhere").mkdir(0o700)
        root.symlink_to(tmp_path / "elsewhere")
    elif fault == "mode 0755":
        root.mkdir(0o755)
        root.chmod(0o755)
    else:
        root.touch()
    with pytest.raises(Unavailable, match=fault):
        Store(root, MACHINE).save(record())


def test_a_place_that_belongs_to_somebody_else_is_refused(
    root: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.mkdir(0o700)
    owner = root.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(Unavailable, match=f"belongs to user {owner}"):
        store.save(record())


def test_a_user_without_a_runtime_directory_gets_one_in_tmp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    me = os.geteuid()
    stranger = me + 54321
    monkeypatch.setattr(os, "geteuid", lambda: stranger)
    for runtime in ("", "relative", str(tmp_path / "missing"), str(tmp_path)):
        # The last one is there, but is another user's, as after `su`.
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        assert Store.locate() == Path(f"/tmp/netlab-{stranger}")


def test_a_user_with_a_runtime_directory_of_his_own_uses_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    # Root, but of a user namespace: /run is not ours to write.
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != "/run" and access(path, mode))
    assert Store.locate() == tmp_path / "netlab"


def test_the_store_is_cheap_to_import() -> None:
    script = "import sys, netlab.store; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    loaded = set(done.stdout.split())
    heavy = ("pydantic", "networkx", "ruamel", "pyroute2", "netlab.facts", "netlab.plan", "subprocess")
    assert not loaded & set(heavy)
