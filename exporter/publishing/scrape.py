"""One scrape: the published families and the exporter's own metrics, as bytes to be sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from exporter.formats.deflate import fragment, inflate
from exporter.formats.exposition import EOF

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.publishing.exposition import Beside
    from exporter.publishing.store import SnapshotStore
    from exporter.telemetry import Telemetry


class Inflated(Sequence[bytes]):
    """Compressed pieces, each inflated when it is read, so that a plain scrape never holds all of them."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        """Keep the compressed pieces; they are shared with the gzip scrapes."""
        self._pieces = pieces

    def __len__(self) -> int:
        return len(self._pieces)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        found = self._pieces[index]
        return inflate(found) if isinstance(found, bytes) else Inflated(found)


def scrape(
    store: SnapshotStore, telemetry: Telemetry, *, openmetrics: bool, gzip: bool, beside: Iterable[Beside] = ()
) -> tuple[Sequence[bytes], int]:
    """One scrape: pieces to be sent in order, and their length together.

    `beside` are families of no project. With `gzip` the pieces are one gzip member (RFC 1952). Nothing here waits for a
    poll or for a lock that one holds.
    """
    exposition = store.exposition
    joined = exposition.openmetrics if openmetrics else exposition.text
    telemetry.show(exposition.projects, exposition.series)
    others = [each.openmetrics if openmetrics else each.text for each in beside]
    own = telemetry.render(openmetrics=openmetrics) + (EOF if openmetrics else b"")
    joined = joined.followed_by((*others, fragment(own)))
    if not gzip:
        return Inflated(joined.pieces), joined.size
    packed = joined.member()
    return packed, sum(map(len, packed))
