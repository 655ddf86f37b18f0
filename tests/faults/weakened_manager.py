"""A manager without some of what keeps an old leader from writing: to see what each is good for.

The first argument names what is missing: ``timer``, ``fence``, or both with a plus between.
"""

import sys

from cloudprovider.toolkit import fence
from cloudprovider_alicloud.api.client import CloudApi
from cloudprovider_manager import deadman
from cloudprovider_manager.main import main

missing = sys.argv.pop(1).split("+")
if "timer" in missing:
    deadman.create = lambda: None
if "fence" in missing:
    CloudApi.fence_writes = lambda self, may_write: None
    fence.look = lambda: None
main()
