"""The command ``cloud-controller-manager``."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from cloudprovider.concurrency import Event, current
from cloudprovider_manager import command, deadman, logs
from cloudprovider_manager.flags import FlagError
from cloudprovider_manager.options import Options
from cloudprovider_manager.release import version, version_info

# Not __name__, which is __main__ where this is run with -m.
_log = logging.getLogger("cloudprovider_manager.main")

#: Seconds for the last lines of the log.
_LAST_LINES = 2.0
#: Seconds after which a signal is seen at the latest.
_SIGNAL_LATENCY = 0.5


def main(argv: Sequence[str] | None = None) -> int:
    """Run the manager with ``argv`` and return the exit code.

    Without ``argv`` it takes the process's arguments and ends the process, as the command does. 0
    after an orderly stop by SIGTERM or SIGINT, 1 after any fault; a second signal ends the process
    with 1 at once.
    """
    code = deadman.leave_pid_1(lambda: _main(sys.argv[1:])) if argv is None else _main(argv)
    # A stream that takes nothing more would hold the process for ever.
    written = logs.flush(_LAST_LINES)
    if argv is None:
        if written:
            sys.stdout.flush()
            sys.stderr.flush()
        # Not sys.exit: that would wait for threads which a provider's SDK may have left behind.
        os._exit(code)
    return code


def _main(arguments: Sequence[str]) -> int:
    try:
        asked = command.read(arguments)
    except FlagError as error:
        for problem in error.problems:
            print(f"Error: {problem}", file=sys.stderr)  # noqa: T201 - before there is a log
        print(f"See {command.PROGRAM} --help.", file=sys.stderr)  # noqa: T201
        return 1
    if asked.help:
        print(asked.help)  # noqa: T201 - what was asked for
        return 0
    if asked.options.version:
        print(_version(asked.options.version))  # noqa: T201 - what was asked for
        return 0
    return _run(asked)


def _run(asked: command.Command) -> int:
    options = asked.options
    logs.configure(
        logs.Settings(
            verbosity=options.v,
            log_format=options.logging_format,
            modules=options.vmodule,
            split=options.split_stream,
            hold=options.info_buffer_size,
            hold_seconds=options.log_flush_frequency,
        ),
        _plugin_packages(options),
    )
    _log.info("%s v%s", command.PROGRAM, version())
    for warning in asked.warnings:
        _log.warning("%s", warning)
    if options.v >= 1:
        for name, value in command.effective(options).items():
            _log.info('FLAG: --%s="%s"', name, value)
    return _until_signal(options)


def _version(asked: str) -> str:
    if asked == "raw":
        return "\n".join(f"{key}: {value}" for key, value in version_info().items())
    return f"{command.PROGRAM} v{version()}"


def _plugin_packages(options: Options) -> list[str]:
    from cloudprovider.registry import get_factory
    from cloudprovider_manager import cloud_configs

    names = cloud_configs.names(options.cloud_provider)
    return [get_factory(name).__module__.partition(".")[0] for name in names]


def _until_signal(options: Options) -> int:
    # Imported late: --help and faulty flags need neither the HTTP client nor metrics.
    from cloudprovider_manager.app import Manager

    concurrency = current()
    stop = concurrency.event()
    codes: list[int] = []
    _stop_on_signals(stop)

    def run() -> None:
        try:
            timer = deadman.create() if options.leader_elect else None
            codes.append(Manager(options, deadman=timer, concurrency=concurrency).run(stop))
        except Exception:  # noqa: BLE001 - it is logged, and the exit code says it
            _log.exception("the manager failed")

    # The main thread does nothing but wait, so a signal's handler finds no lock of ours taken.
    manager = concurrency.start_thread(run, name="manager")
    while manager.is_alive():
        # Never without a limit: a signal that comes just before the wait would not end it.
        manager.join(_SIGNAL_LATENCY)
    return codes[0] if codes else 1


def _stop_on_signals(stop: Event) -> None:
    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - Python's signature
        if stop.is_set():
            os._exit(1)
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)


if __name__ == "__main__":
    main()
