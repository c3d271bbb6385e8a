"""Shows metrics as Prometheus reads them: the text format, version 0.0.4."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector, CollectorRegistry

from . import metric_files, metrics
from .code_version import code_version

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
BUILD: Final = f"{metrics.NAMESPACE}build_info"
BUILD_MEANING: Final = "1, with the version of Guichet that answers this scrape."


class _All(Collector):
    """Everything there is to show, one source after the other."""

    def __init__(self, sources: Iterable[Callable[[], Iterable[Metric]]]) -> None:
        self._sources = tuple(sources)

    def collect(self) -> Iterator[Metric]:
        for source in self._sources:
            yield from source()


def show(*sources: Callable[[], Iterable[Metric]]) -> bytes:
    """The text of what this process, or all processes of its folder, counted, and of `sources`."""
    folder = metric_files.joined()
    counted = metrics.collect if folder is None else folder.collect
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_All((_build, counted, *sources)))
    return generate_latest(registry)


def _build() -> Iterator[Metric]:
    family = GaugeMetricFamily(BUILD, BUILD_MEANING, labels=("version",))
    family.add_metric((code_version(),), 1)
    yield family
