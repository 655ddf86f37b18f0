"""Deletes Nodes whose instance is gone, and taints those whose instance is shut down."""
