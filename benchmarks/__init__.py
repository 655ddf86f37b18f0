"""What the project costs, measured: each module is a command, ``python -m benchmarks.NAME``.

``calls``     cloud calls and Kubernetes requests per operation, counted on the journals
``converge``  how long many Services and nodes take, and what bounds it
``start``     process start to working, imports, takeover
``memory``    resident memory of the manager, CPU from start to synced
``faults``    runs per second of the fault harness
``all``       all of them; ``--write`` writes ``docs/reference/benchmarks.md``

Each prints our figure beside the Go manager's (``spec/peers.md``) and the goal (``design.md`` 10).
Counts and ratios are compared; seconds are reported. The exit code says whether the run worked, not
whether a goal is met.
"""
