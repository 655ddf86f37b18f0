"""A manager without the last look before a write: to see that its absence is noticed."""

from cloudprovider.toolkit import fence
from cloudprovider_alicloud.api.client import CloudApi
from cloudprovider_manager.main import main

CloudApi.fence_writes = lambda self, may_write: None
fence.look = lambda: None
main()
