"""Settings: which source wins, what is a warning, what an error, and the file written back."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from webui.core.errors import SetupError, StorageError
from webui.core.params import fields_of
from webui.settings import (
    Paths,
    Settings,
    describe,
    find_home,
    load_settings,
    parse_auth,
    save_settings,
    settings_file,
)
from webui.settings.sections import SECTIONS


def write(home: Path, text: str) -> Path:
    file = home / "data" / "settings.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_defaults_are_the_documented_ones(tmp_path: Path) -> None:
    settings = load_settings({}, {}, tmp_path)
    assert settings == Settings(
        paths=Paths(
            models=tmp_path / "models", outputs=tmp_path / "outputs", data=tmp_path / "data"
        )
    )
    assert (settings.server.port, settings.server.host) == (7860, "127.0.0.1")
    assert settings.saving.name_pattern == "[number]-[seed]"


def test_later_sources_win(tmp_path: Path) -> None:
    write(
        tmp_path, '[server]\nport = 1\nhost = "0.0.0.0"\nbrowser = false\n[jobs]\nbatching="shared"'
    )
    environ = {"EASEL_SERVER_PORT": "2", "EASEL_SERVER_HOST": "127.0.0.2"}
    settings = load_settings({"server.port": "3"}, environ, tmp_path)
    assert settings.server.port == 3
    assert settings.server.host == "127.0.0.2"
    assert settings.server.browser is False
    assert settings.jobs.batching == "shared"
    assert settings.warnings == ()


def test_relative_folders_are_meant_from_where_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    write(tmp_path, '[paths]\noutputs = "pictures"')
    settings = load_settings({"paths.models": "m"}, {}, tmp_path)
    assert settings.paths.outputs == tmp_path / "pictures"
    assert settings.paths.models == elsewhere / "m"


def test_the_file_is_read_from_the_chosen_data_folder(tmp_path: Path) -> None:
    write(tmp_path / "other", "[server]\nport = 5")
    settings = load_settings({"paths.data": tmp_path / "other" / "data"}, {}, tmp_path)
    assert settings.server.port == 5
    environ = {"EASEL_PATHS_DATA": str(tmp_path / "other" / "data")}
    assert load_settings({}, environ, tmp_path).server.port == 5


def test_unknown_names_become_warnings_that_name_a_near_one(tmp_path: Path) -> None:
    file = write(tmp_path, '[server]\nprot = 1\n[paths]\ndata = "x"\n[zoo]\nanimal = 1')
    environ = {"EASEL_SEVER_PORT": "1", "EASEL_JOBS_ANY": "1"}
    environ |= {"EASEL_HOME": "x", "PATH": "y", "EASEL_OTHER": "1", "EASEL_JOBS_BATCHING": " "}
    warnings = load_settings({}, environ, tmp_path).warnings
    assert len(warnings) == 5
    assert any(
        "'server.prot'; did you mean 'server.port'?" in w and str(file) in w for w in warnings
    )
    assert any("'EASEL_SEVER_PORT'; did you mean 'EASEL_SERVER_PORT'?" in w for w in warnings)
    assert any("'EASEL_JOBS_ANY'" in w for w in warnings)
    assert any("paths.data has no effect" in w for w in warnings)
    assert any("'zoo.animal'." in w for w in warnings)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("server.port", "eighty", "Port is 'eighty', not a number."),
        ("server.port", 70000, "Port is 70000; the most is 65535."),
        ("server.port", 1.5, "Port is 1.5, not a whole number."),
        ("server.share", "perhaps", "'perhaps', not true or false."),
        ("server.host", "a b", "Address is 'a b'"),
        ("server.allowed_origins", "example.org", "'example.org' is not like https://"),
        (
            "saving.format",
            "gif",
            "File format for images is 'gif'; it can be png, jpeg, webp or avif.",
        ),
        ("saving.quality", 0, "the least is 1"),
        ("saving.name_pattern", " ", "Images filename pattern is empty"),
        ("jobs.batching", 3, "Batching is 3; it can be exact or shared."),
        ("device.device", "gpu", "Device is 'gpu'"),
        ("device.dtype", "fp8", "it can be auto, float32, bfloat16 or float16."),
        ("paths.models", "", "Models folder is ''"),
        ("paths.models", "a\0b", "not the name of a folder"),
        ("paths.installation", "~nobody-of-that-name/x", "give its whole path"),
    ],
)
def test_a_bad_value_is_one_sentence_naming_source_and_value(
    tmp_path: Path, key: str, value: object, says: str
) -> None:
    with pytest.raises(SetupError) as error:
        load_settings({key: value}, {}, tmp_path)
    assert error.value.message.startswith(f"{key}: ")
    assert says in error.value.message


def test_a_bad_value_names_the_variable_or_the_file(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="EASEL_SERVER_PORT: Port is 'x'"):
        load_settings({}, {"EASEL_SERVER_PORT": "x"}, tmp_path)
    write(tmp_path, '[server]\nport = "x"')
    with pytest.raises(SetupError, match=r"settings\.toml, server\.port: Port is 'x'"):
        load_settings({}, {}, tmp_path)


@pytest.mark.parametrize("text", ["[server", "\xff", "a = " + "[" * 5000])
def test_a_file_that_is_no_toml_is_a_sentence(tmp_path: Path, text: str) -> None:
    write(tmp_path, "").write_bytes(text.encode("latin-1"))
    with pytest.raises(SetupError, match=r"settings\.toml is not valid TOML"):
        load_settings({}, {}, tmp_path)


def test_an_unknown_override_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"'server\.prot'; did you mean 'server\.port'"):
        load_settings({"server.prot": 1}, {}, tmp_path)


@pytest.mark.parametrize(
    ("text", "users"),
    [
        ("", ()),
        ("ann:secret", (("ann", "secret"),)),
        ("ann:a:b , bob:c", (("ann", "a:b "), ("bob", "c"))),
    ],
)
def test_users_are_read(text: str, users: tuple[tuple[str, str], ...]) -> None:
    assert parse_auth(text) == users


@pytest.mark.parametrize(
    "text", ["hunter2", ":hunter2", "ann:", "ann:hunter2,", "ann:x,ann:hunter2"]
)
def test_a_bad_user_is_a_sentence_that_keeps_the_password_to_itself(text: str) -> None:
    with pytest.raises(SetupError) as error:
        parse_auth(text)
    assert "hunter2" not in error.value.message
    assert error.value.message.endswith(".")


def test_passwords_do_not_show_in_logs(tmp_path: Path) -> None:
    settings = load_settings({"server.auth": "ann:secret"}, {}, tmp_path)
    assert settings.server.auth == (("ann", "secret"),)
    assert "secret" not in repr(settings)


def test_every_field_is_declared_with_a_label_and_help() -> None:
    settings = describe()
    declared = {s.key for s in settings}
    assert declared == {f"{n}.{f}" for n, kind in SECTIONS.items() for f in kind.__slots__}
    assert all(s.param.label and s.param.help.endswith(".") for s in settings)
    assert sum(len(fields_of(kind)) for kind in SECTIONS.values()) == len(settings)


def test_saved_changes_are_read_back_and_the_rest_is_kept(tmp_path: Path) -> None:
    write(tmp_path, '[server]\nport = 5\n[mine]\n"a key" = "ü \\"x\\""\nlist = [1, 2.5, true]\n')
    settings = load_settings({}, {}, tmp_path)
    changes = {
        "saving.format": "webp",
        "saving.embed_metadata": False,
        "server.auth": [["ann", "s:é\\"]],
        "server.allowed_origins": ["https://a.b"],
        "saving.name_pattern": '[seed]"\n\x7f',
    }
    save_settings(changes, settings)
    again = load_settings({}, {}, tmp_path)
    assert again.saving.format == "webp"
    assert again.saving.embed_metadata is False
    assert again.server.auth == (("ann", "s:é\\"),)
    assert again.server.allowed_origins == ("https://a.b",)
    assert again.saving.name_pattern == '[seed]"\n\x7f'
    assert again.server.port == 5
    kept = tomllib.loads(settings_file(settings).read_text("utf-8"))["mine"]
    assert kept == {"a key": 'ü "x"', "list": [1, 2.5, True]}
    save_settings({"server.port": None}, settings)
    assert load_settings({}, {}, tmp_path).server.port == 7860


def test_a_refused_change_leaves_the_file_alone(tmp_path: Path) -> None:
    file = write(tmp_path, "[server]\nport = 5\n")
    settings = load_settings({}, {}, tmp_path)
    for changes in ({"server.port": 6, "jobs.batching": "x"}, {"nothing.here": 1}):
        with pytest.raises(SetupError):
            save_settings(changes, settings)
    assert file.read_text() == "[server]\nport = 5\n"


def test_a_settings_file_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    settings = load_settings({}, {}, tmp_path)
    settings = replace(settings, paths=replace(settings.paths, data=blocked / "data"))
    with pytest.raises((StorageError, SetupError), match="cannot be"):
        save_settings({"server.port": 1}, settings)


def test_home_is_what_the_variable_says_or_the_checkout(tmp_path: Path) -> None:
    assert find_home({"EASEL_HOME": str(tmp_path)}) == tmp_path
    assert (find_home({}) / "models").is_dir()
