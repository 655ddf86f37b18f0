"""Routes between the nodes' pod networks; not written yet."""
