"""Rewrite what `docker save` wrote, so that the same image gives the same bytes: reproducible_image.py SAVED OUT EPOCH.

A builder stamps files and the image with the time of the build. Every time after EPOCH (Unix seconds) becomes EPOCH;
layers without such a time, such as those of the base image, stay as they are. File names follow from the contents.
`docker load` reads the result. What a configuration holds: https://github.com/opencontainers/image-spec, config.md.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

OF_THE_BUILD = ("container", "container_config", "docker_version", "id", "parent", "Size")
"""What older builders write into the configuration besides, and what says nothing about the image."""


def clamped(layer: IO[bytes], epoch: int, out: IO[bytes]) -> None:
    """Copy a layer, with no time after `epoch`; byte for byte where it has none."""
    with tarfile.open(fileobj=layer) as read:
        times = [member.mtime for member in read]
    layer.seek(0)
    if max(times, default=0) <= epoch:
        out.write(layer.read())
        return
    with tarfile.open(fileobj=layer) as read, tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as write:
        for member in read:
            member.mtime = min(int(member.mtime), epoch)
            member.pax_headers = {
                name: value for name, value in member.pax_headers.items() if name not in {"mtime", "atime", "ctime"}
            }
            write.addfile(member, read.extractfile(member) if member.isreg() else None)


def configuration(saved: dict[str, Any], layers: list[str], epoch: int) -> dict[str, Any]:
    """The image's configuration with its times and layers as they are now."""
    latest = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    history = [step | {"created": min(step.get("created", latest), latest)} for step in saved.get("history", ())]
    kept = {name: value for name, value in saved.items() if name not in OF_THE_BUILD and "buildkit" not in name}
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in layers]}
    return kept | {"created": latest, "history": history, "rootfs": rootfs}


def rewrite(saved: Path, out: Path, epoch: int) -> None:
    """Write the one image of `saved` to `out`."""
    with tarfile.open(saved) as read, tarfile.open(out, mode="w", format=tarfile.PAX_FORMAT) as write:

        def member(name: str) -> IO[bytes]:
            found = read.extractfile(name)
            if found is None:
                raise ValueError(f"{saved}: {name} is no file")
            return found

        def add(name: str, size: int, content: IO[bytes]) -> None:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = size, epoch
            write.addfile(entry, content)

        (manifest,) = json.load(member("manifest.json"))
        layers = []
        for name in manifest["Layers"]:
            with tempfile.TemporaryFile(dir=out.parent) as content:
                clamped(member(name), epoch, content)
                size = content.tell()
                content.seek(0)
                layers.append(hashlib.file_digest(content, "sha256").hexdigest())
                content.seek(0)
                if layers[-1] not in layers[:-1]:
                    add(f"{layers[-1]}.tar", size, content)
        text = json.dumps(configuration(json.load(member(manifest["Config"])), layers, epoch), sort_keys=True).encode()
        config = f"{hashlib.sha256(text).hexdigest()}.json"
        add(config, len(text), io.BytesIO(text))
        listed = [{"Config": config, "RepoTags": manifest["RepoTags"], "Layers": [f"{layer}.tar" for layer in layers]}]
        text = json.dumps(listed, sort_keys=True).encode()
        add("manifest.json", len(text), io.BytesIO(text))


if __name__ == "__main__":
    rewrite(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
