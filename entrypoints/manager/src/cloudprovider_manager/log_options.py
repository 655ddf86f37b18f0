"""Flags of the log, of the metrics' exposition and of the process; part of the options.

Source: ``spec/ccm-core.md`` 4.2 (global), and klog's flags up to Kubernetes 1.25.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from cloudprovider_manager.compound_values import LEVELS, QUANTITY, VERSION
from cloudprovider_manager.flags import Status, flag
from cloudprovider_manager.values import BOOL, LIST, PATH, TEXT, choice, duration, integer

_LOGS: Final = "Logs and process"

_NOT_TO_FILES = (
    "logs go to stderr, or with a split stream also to stdout; whoever runs the process "
)
_NOT_TO_FILES += "keeps them"
_FIXED_FORM = "the form of a line is fixed"
_OURS = "the metrics have the version of this manager: none is hidden"


def _split(stream_format: str) -> Any:
    return flag(
        False,
        BOOL,
        f"With --logging-format={stream_format}: warnings and errors to stderr, the rest to "
        "stdout.",
        group=_LOGS,
    )


def _buffer(stream_format: str) -> Any:
    return flag(
        0,
        QUANTITY,
        f"With --log-{stream_format}-split-stream: bytes that stdout is given at once; what is "
        "less waits for --log-flush-frequency. 0 = every line at once.",
        group=_LOGS,
    )


def _klog(default: Any, kind: Any, note: str) -> Any:
    return flag(default, kind, "Of older klog.", group=_LOGS, status=Status.IGNORED, note=note)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogFlags:
    """What is logged, how and where; what of the metrics is served; how the process ends."""

    v: int = flag(
        0, integer(0), "Verbosity: 0 what was done, 1 also every flag, 4 and up every step.",
        group=_LOGS, short="v",
    )  # fmt: skip
    vmodule: tuple[tuple[str, str], ...] = flag(
        (),
        LEVELS,
        "Verbosity by source file where it is to be more than --v; the first pattern that fits "
        "counts.",
        group=_LOGS,
    )
    logging_format: str = flag("text", choice("text", "json"), "Format of the log.", group=_LOGS)
    log_flush_frequency: float = flag(
        5.0,
        duration(0.001),
        "The longest that a line waits in a buffer of --log-…-info-buffer-size.",
        group=_LOGS,
    )
    log_text_split_stream: bool = _split("text")
    log_json_split_stream: bool = _split("json")
    log_text_info_buffer_size: int = _buffer("text")
    log_json_info_buffer_size: int = _buffer("json")
    logtostderr: bool = _klog(True, BOOL, _NOT_TO_FILES)
    alsologtostderr: bool = _klog(False, BOOL, _NOT_TO_FILES)
    stderrthreshold: str = _klog("2", TEXT, _NOT_TO_FILES)
    log_dir: str = _klog("", PATH, _NOT_TO_FILES)
    log_file: str = _klog("", PATH, _NOT_TO_FILES)
    log_file_max_size: int = _klog(1800, integer(0), _NOT_TO_FILES)
    one_output: bool = _klog(False, BOOL, _NOT_TO_FILES)
    log_backtrace_at: str = _klog(":0", TEXT, "errors carry their traceback")
    add_dir_header: bool = _klog(False, BOOL, _FIXED_FORM)
    skip_headers: bool = _klog(False, BOOL, _FIXED_FORM)
    skip_log_headers: bool = _klog(False, BOOL, _NOT_TO_FILES)
    disabled_metrics: tuple[str, ...] = flag(
        (), LIST, "Names of metrics that /metrics leaves out.", group=_LOGS
    )
    show_hidden_metrics_for_version: str = flag(
        "", TEXT, "Hidden metrics.", group=_LOGS, status=Status.IGNORED, note=_OURS
    )
    allow_metric_labels: str = flag(
        "", TEXT, "Values of labels.", group=_LOGS, status=Status.IGNORED,
        note="no label has values without bound.",
    )  # fmt: skip
    allow_metric_labels_manifest: str = flag(
        "", PATH, "Values of labels.", group=_LOGS, status=Status.IGNORED,
        note="no label has values without bound.",
    )  # fmt: skip
    emulated_version: str = flag(
        "", TEXT, "Behave like an older version.", group=_LOGS, status=Status.IGNORED,
        note="there is one behaviour only.",
    )  # fmt: skip
    shutdown_timeout: float = flag(
        20.0,
        duration(0),
        "How long calls in flight may go on after SIGTERM; keep it below the Pod's "
        "terminationGracePeriodSeconds.",
        group=_LOGS,
        aliases=("shutdown-grace-period",),  # kube-aliyun's name
    )
    strict_flags: bool = flag(
        False, BOOL, "Refuse flags that are deprecated or do nothing.", group=_LOGS
    )
    version: str = flag(
        "", VERSION, "Print the version and exit; raw = with all that belongs to it.",
        group=_LOGS,
    )  # fmt: skip

    @property
    def split_stream(self) -> bool:
        """Whether what is no warning goes to stdout."""
        return self.log_json_split_stream if self._json else self.log_text_split_stream

    @property
    def info_buffer_size(self) -> int:
        """Bytes that stdout is given at once."""
        return self.log_json_info_buffer_size if self._json else self.log_text_info_buffer_size

    @property
    def _json(self) -> bool:
        return self.logging_format == "json"
