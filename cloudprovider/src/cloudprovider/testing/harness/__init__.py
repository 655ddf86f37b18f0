"""Kills and faults a manager at every boundary of a scenario, and judges what is left.

``boundary`` is where a manager's calls cross to the API server and the cloud; ``enumerate`` plans
one run per boundary and kind of fault; ``oracles`` are the invariants. A provider brings a world
(its emulator, its scenarios). Source: ``spec/reliability.md`` 3.
"""
