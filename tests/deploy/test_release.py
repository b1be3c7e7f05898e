"""The parts of a release that are scripts of our own: its notes, and the same bytes for the same image."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from exporter import __version__
from scripts.release_notes import CHANGELOG, notes
from scripts.reproducible_image import rewrite

if TYPE_CHECKING:
    from pathlib import Path

LOG = """# Changelog

## [Unreleased]

- coming

## [1.2.0] - 2026-01-02

### Added

- a thing

## [1.1.0] - 2025-12-01

- older
"""
EPOCH = 1_700_000_000


def test_the_notes_of_a_release_are_its_section_of_the_changelog() -> None:
    assert notes("1.2.0", LOG) == "# circleci-insights-exporter 1.2.0\n\n### Added\n\n- a thing\n"


def test_before_a_version_has_a_section_its_notes_are_what_is_unreleased() -> None:
    assert notes("1.3.0", LOG).endswith("\n\n- coming\n")


def test_a_release_without_any_notes_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"CHANGELOG\.md: no text below \[1\.3\.0\] or \[Unreleased\]"):
        notes("1.3.0", "# Changelog\n\n## [Unreleased]\n")


def test_the_version_of_today_has_notes() -> None:
    assert len(notes(__version__, CHANGELOG.read_text(encoding="utf-8"))) > 200


def layer(*files: tuple[str, float]) -> bytes:
    """A layer with files of these names and times, each with a fine time besides, as builders write it."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, mtime in files:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(name), mtime, 0o755
            entry.pax_headers = {"atime": str(mtime), "SCHILY.xattr.user.x": "kept"}
            tar.addfile(entry, io.BytesIO(name.encode()))
    return content.getvalue()


def saved(path: Path, base: bytes, mtime: float, container: str) -> Path:
    """An image of two layers as `docker save` writes it: a base, and one that was built at this time."""
    config = {
        "architecture": "amd64",
        "config": {"User": "65532:65532", "Labels": {"a": "b"}},
        "container": container,
        "created": f"2026-01-01T00:00:{mtime % 60:02.0f}Z",
        "history": [{"created": "2020-01-01T00:00:00Z"}, {"created": f"2026-01-01T00:00:{mtime % 60:02.0f}Z"}],
        "rootfs": {"type": "layers", "diff_ids": ["sha256:1", "sha256:2"]},
    }
    manifest = [{"Config": "c.json", "RepoTags": ["exporter:1"], "Layers": ["x/layer.tar", "y/layer.tar"]}]
    files = {
        "x/layer.tar": base,
        "y/layer.tar": layer(("opt/a", mtime), ("opt/old", EPOCH - 5)),
        "c.json": json.dumps(config).encode(),
        "manifest.json": json.dumps(manifest).encode(),
    }
    with tarfile.open(path, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def contents(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        found = {member.name: tar.extractfile(member) for member in tar}
        return {name: file.read() for name, file in found.items() if file}


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, bytes]]:
    files = contents(path)
    (manifest,) = json.loads(files["manifest.json"])
    return manifest, json.loads(files[manifest["Config"]]), files


def test_two_builds_of_one_image_at_different_times_are_the_same_bytes(tmp_path: Path) -> None:
    base = layer(("bin/sh", EPOCH - 100))
    for name, mtime in (("first", EPOCH + 10.25), ("second", EPOCH + 20.75)):
        rewrite(saved(tmp_path / f"{name}.saved", base, mtime, name), tmp_path / name, EPOCH)

    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_an_image_with_another_file_is_other_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        base = layer((f"bin/{name}", EPOCH - 100))
        rewrite(saved(tmp_path / f"{name}.saved", base, EPOCH + 10, "c"), tmp_path / name, EPOCH)

    assert (tmp_path / "first").read_bytes() != (tmp_path / "second").read_bytes()


def test_layers_of_the_base_stay_and_names_follow_from_contents(tmp_path: Path) -> None:
    base = layer(("bin/sh", EPOCH - 100.5))
    rewrite(saved(tmp_path / "saved", base, EPOCH + 10, "c"), tmp_path / "out", EPOCH)

    manifest, config, files = read(tmp_path / "out")
    first, second = (files[name] for name in manifest["Layers"])

    assert first == base
    digests = [hashlib.sha256(content).hexdigest() for content in (first, second)]
    assert manifest["Layers"] == [f"{digest}.tar" for digest in digests]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{digest}" for digest in digests]
    assert manifest["Config"] == f"{hashlib.sha256(files[manifest['Config']]).hexdigest()}.json"
    assert manifest["RepoTags"] == ["exporter:1"]


def test_what_a_layer_and_the_configuration_say_besides_times_stays(tmp_path: Path) -> None:
    rewrite(saved(tmp_path / "saved", layer(("bin/sh", 1.0)), EPOCH + 10, "c"), tmp_path / "out", EPOCH)

    manifest, config, files = read(tmp_path / "out")
    with tarfile.open(fileobj=io.BytesIO(files[manifest["Layers"][1]])) as tar:
        members = {member.name: member for member in tar}

    assert {name: member.mtime for name, member in members.items()} == {"opt/a": EPOCH, "opt/old": EPOCH - 5}
    assert all(member.mode == 0o755 for member in members.values())
    assert all(member.pax_headers == {"SCHILY.xattr.user.x": "kept"} for member in members.values())
    assert config["config"] == {"User": "65532:65532", "Labels": {"a": "b"}}
    assert [step["created"] for step in config["history"]] == ["2020-01-01T00:00:00Z", "2023-11-14T22:13:20Z"]
    assert config["created"] == "2023-11-14T22:13:20Z"
