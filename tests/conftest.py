"""Isolates every test from the user's caches and environment."""

import os
import tempfile

# stevedore reads a cache of entry points below this folder, which may be stale.
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="cloudprovider-tests-")
for _name in list(os.environ):
    if _name.endswith("_ENDPOINT") or _name.startswith(("ACCESS_KEY", "ALICLOUD_", "ALIYUN_")):
        del os.environ[_name]
