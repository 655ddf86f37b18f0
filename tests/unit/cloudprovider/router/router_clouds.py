"""Fake clouds with a class each, and a router over them."""

from cloudprovider.concurrency import current
from cloudprovider.router import Router
from cloudprovider.testing.fake import FakeCloud

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
CALLS = {
    "get_load_balancer": (),
    "ensure_load_balancer": ((),),
    "update_load_balancer": ((),),
    "ensure_load_balancer_deleted": (),
}


class Cloud(FakeCloud):
    """A fake cloud with a class of its own, and a mark if wanted."""

    def __init__(self, name, *, mark="", **parts):
        super().__init__(name, **parts)
        self.mark = mark
        self.classes = (f"x/{name}",)


def routed(*clouds, initialize=True, **options):
    router = Router(clouds, **options)
    if initialize:
        router.initialize(None, current().event())
    return router
