"""Settings: defaults < file < environment < flags."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from unittest.mock import Mock

import pytest

from orchestrator.commands.settings import settings_for
from orchestrator.compose import build_models
from orchestrator.config import Loaded, load_settings, read_env_file
from schemas.errors import InputError


def load(folder: Path, toml: str = "", flags: dict[str, object] | None = None, **environment: str) -> Loaded:
    path = folder / "milepost.toml"
    if toml:
        path.write_text(toml)
    return load_settings(path, environment, flags or {})


def test_each_layer_beats_the_one_before(tmp_path: Path) -> None:
    toml = "attempts = 4\n[limits]\ncalls = 4\ntokens = 4\n"
    loaded = load(tmp_path, toml, {"limits.calls": 6}, MILEPOST_LIMITS_CALLS="5", MILEPOST_LIMITS_TOKENS="5")
    settings = loaded.settings
    assert (settings.attempts, settings.limits.tokens, settings.limits.calls, settings.limits.usd) == (4, 5, 6, None)
    assert loaded.sources["limits.calls"] == "command line"
    assert loaded.sources["limits.tokens"] == "environment MILEPOST_LIMITS_TOKENS"


def test_a_key_chooses_claude_and_no_key_the_embedded_model(tmp_path: Path) -> None:
    assert load(tmp_path).settings.effective_backend() == "embedded"
    assert load(tmp_path, ANTHROPIC_API_KEY="sk-1").settings.effective_backend() == "anthropic"
    assert (
        load(tmp_path, ANTHROPIC_API_KEY="sk-1", MILEPOST_BACKEND="embedded").settings.effective_backend() == "embedded"
    )


def test_an_agent_may_be_given_any_tier_or_a_model_by_name(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        ANTHROPIC_API_KEY="sk-1",
        MILEPOST_MODELS_TOP="best",
        MILEPOST_ROLES_SPEC="top",
        MILEPOST_ROLES_IMPL="cheap",
        MILEPOST_ROLES_ARCH="some-model",
    ).settings
    models = build_models(settings, lambda *_: None).by_agent
    names = [models[agent].name for agent in ("spec", "impl", "arch")]
    assert names == ["anthropic/best", f"anthropic/{settings.models.cheap}", "anthropic/some-model"]


def test_no_secret_is_in_the_record_of_a_run(tmp_path: Path) -> None:
    settings = load(tmp_path, ANTHROPIC_API_KEY="sk-secret", MILEPOST_OPENAI_API_KEY="sk-secret").settings
    assert "sk-secret" not in str(settings.public()) + repr(settings)


@pytest.mark.parametrize(
    ("toml", "environment", "words"),
    [
        ("attempts = 0\n", {}, "attempts: Input should be greater than or equal to 1"),
        ("attemps = 3\n", {}, "unknown setting; did you mean 'attempts'?"),
        ("[limits]\nusdd = 3\n", {}, "did you mean 'limits.usd'?"),
        ("[limits]\nattempts = 3\n", {}, "limits.attempts: the setting is called attempts"),
        ("", {"MILEPOST_LIMITS_ATTEMPTS": "3"}, "limits.attempts: the setting is called attempts"),
        ("not toml", {}, "is not valid TOML"),
        ("limits = 3\n", {}, "limits"),
        ("[roles]\nimplementer = 'cheap'\n", {}, "roles.implementer: no such agent"),
        ("", {"MILEPOST_ATEMPTS": "3"}, "did you mean MILEPOST_ATTEMPTS?"),
        ("", {"MILEPOST_ATTEMPTS": "many"}, "environment MILEPOST_ATTEMPTS: attempts"),
        ("", {"MILEPOST_BACKEND": "gpt"}, "environment MILEPOST_BACKEND: backend"),
    ],
)
def test_mistakes_say_where_and_what(tmp_path: Path, toml: str, environment: dict[str, str], words: str) -> None:
    path = tmp_path / "milepost.toml"
    path.write_text(toml)
    with pytest.raises(InputError) as caught:
        load_settings(path, environment, {})
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:11434", "http://", "http://localhost:99999/v1", "ftp://localhost/v1", "http://me:secret@localhost/v1"],
)
def test_what_is_no_address_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError, match=r"openai\.base_url") as caught:
        load_settings(tmp_path / "none.toml", {"MILEPOST_OPENAI_BASE_URL": url}, {})
    assert "secret" not in str(caught.value)


def test_an_empty_variable_sets_nothing(tmp_path: Path) -> None:
    settings = load_settings(tmp_path / "none.toml", {"MILEPOST_CACHE": "", "MILEPOST_ATTEMPTS": ""}, {}).settings
    assert (settings.cache, settings.attempts) == (None, None)


def test_an_env_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ANTHROPIC_API_KEY=abc\n", encoding="utf-8-sig")
    assert read_env_file(tmp_path / ".env") == {"ANTHROPIC_API_KEY": "abc"}


def test_an_env_file_gives_only_what_concerns_milepost(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# c\nexport ANTHROPIC_API_KEY='k'\nMILEPOST_ATTEMPTS=2\nPATH=/evil\nnonsense\n")
    assert read_env_file(path) == {"ANTHROPIC_API_KEY": "k", "MILEPOST_ATTEMPTS": "2"}
    assert read_env_file(tmp_path / "none") == {}


@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", "MILEPOST_OPENAI_API_KEY"])
@pytest.mark.parametrize("key", ["sk-ключ", "sk-a\nb", "sk a"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(tmp_path: Path, name: str, key: str) -> None:
    with pytest.raises(InputError, match="holds a character that no key has") as caught:
        load(tmp_path, "", None, **{name: key})
    assert key not in str(caught.value)


def test_the_script_that_the_documentation_shows_is_one(tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text()
    script = tmp_path / "script.yaml"
    script.write_text(text.partition("```yaml\n")[2].partition("```")[0])
    models = build_models(load(tmp_path, MILEPOST_BACKEND="scripted", MILEPOST_SCRIPT=str(script)).settings, Mock())
    assert models.by_agent["impl"].name == "scripted/script"


def test_the_environment_beats_the_env_file_beside_the_idea_and_that_one_the_one_in_the_current_folder(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "ideas").mkdir()
    (workspace / ".env").write_text("MILEPOST_ATTEMPTS=2\nMILEPOST_LIMITS_CALLS=2\nMILEPOST_LIMITS_TOKENS=2\n")
    (workspace / "ideas" / ".env").write_text("MILEPOST_ATTEMPTS=3\nMILEPOST_LIMITS_CALLS=3\n")
    monkeypatch.setenv("MILEPOST_ATTEMPTS", "4")
    settings = settings_for(Namespace(command="run", config=None), Path("ideas")).settings
    assert (settings.attempts, settings.limits.calls, settings.limits.tokens) == (4, 3, 2)
