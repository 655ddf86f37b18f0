"""The commands that run a sandbox: ``up`` and ``demo``."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape

from cloudprovider.concurrency import Concurrency, current
from cloudprovider_sandbox.kubelets import POD_NETWORK
from cloudprovider_sandbox.sandbox import ManagerDied, Sandbox, SandboxOptions
from cloudprovider_sandbox.signals import interruptible, uninterruptible

#: Seconds between two looks at the manager.
_WATCH = 0.2
#: Seconds that the manager may take until it works.
_PATIENCE = 10.0


def run(args: argparse.Namespace, out: Console) -> int:
    """Run the command that ``args`` name. Returns the exit code.

    Raises:
        PluginError: the cloud has no emulator.
        OSError: a port or a file could not be had.

    """
    options = SandboxOptions(
        cloud_provider=args.cloud_provider,
        nodes=args.nodes,
        latency=args.latency,
        folder=args.dir,
        manager_arguments=args.manager_arg,
        manager=not args.no_manager,
        tls=args.tls,
        rbac=args.rbac,
    )
    with interruptible():
        if args.command == "demo":
            from cloudprovider_sandbox.demo.play import run_demo

            return run_demo(options, out, timeout=args.timeout)
        return up(options, out)


def up(options: SandboxOptions, out: Console, *, concurrency: Concurrency | None = None) -> int:
    """Run a sandbox until KeyboardInterrupt. Returns 0, or 1 if the manager ended badly."""
    clock = concurrency or current()
    sandbox = Sandbox(options, concurrency=clock)
    code: int | None = 0
    try:
        sandbox.start()
        _wait_for_leader(sandbox, clock)
        _welcome(sandbox, options, out)
        while True:
            sandbox.check_manager()
            clock.sleep(_WATCH)
    except KeyboardInterrupt:
        out.print()
    except ManagerDied as error:
        out.print(f"[bold red]✗[/] {escape(str(error))}. The end of {sandbox.files.manager_log}:")
        for line in error.log:
            out.print(f"  {escape(line)}", soft_wrap=True)
        return 1
    finally:
        with uninterruptible():
            code = sandbox.stop()
    if code not in (0, None):
        out.print(f"the manager ended with code {code} on SIGTERM; see {sandbox.files.manager_log}")
        return 1
    sandbox.files.discard()
    out.print("stopped; nothing of it runs any more")
    return 0


def _wait_for_leader(sandbox: Sandbox, clock: Concurrency) -> None:
    """Until the manager works; not longer than _PATIENCE, it may run without election."""
    deadline = clock.monotonic() + _PATIENCE
    while sandbox.manager and not sandbox.leader() and clock.monotonic() < deadline:
        sandbox.check_manager()
        clock.sleep(_WATCH)


def _welcome(sandbox: Sandbox, options: SandboxOptions, out: Console) -> None:
    files = sandbox.files
    info = sandbox.info()
    rows = {
        "Kubernetes": info.api_server,
        "cloud": f"{info.emulator} ({options.cloud_provider}, emulated)",
        "nodes": str(len(sandbox.nodes())),
        "manager": f"process {info.manager_pid}, log {files.manager_log}"
        if options.manager
        else "none (--no-manager); start yours as shown below",
        "files": info.dir,
    }
    for name, text in rows.items():
        out.print(f"{name:<11} {escape(text)}", soft_wrap=True)
    out.print()
    out.print("In another terminal:")
    out.print()
    for line in (*(() if options.manager else _own_manager(sandbox, options)), *_next(sandbox)):
        out.print(f"  {escape(line)}", soft_wrap=True)
    out.print()
    out.print("Ctrl-C ends the sandbox.")


def _own_manager(sandbox: Sandbox, options: SandboxOptions) -> Iterable[str]:
    """How to start one. Without the variables it would talk to the real cloud."""
    files = sandbox.files
    variables = sandbox.emulator.environment().items()
    return (
        "export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in variables),
        f"cloud-controller-manager --cloud-provider={options.cloud_provider} "
        f"--cloud-config={files.cloud_config} --kubeconfig={files.manager_kubeconfig} "
        f"--cluster-cidr={POD_NETWORK} --bind-address=127.0.0.1",
    )


def _next(sandbox: Sandbox) -> Iterable[str]:
    return (
        f"export KUBECONFIG={sandbox.files.kubeconfig}",
        "kubectl get nodes",
        "kubectl create deployment nginx-example --image=nginx --replicas=2",
        "kubectl expose deployment nginx-example --type=LoadBalancer --port=80",
        "kubectl get service nginx-example",
        "cloud-sandbox inventory",
    )
