"""Deletes or taints Nodes whose instances are gone or shut down; not written yet."""
