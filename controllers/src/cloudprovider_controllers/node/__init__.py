"""Initialises Nodes and keeps them in step with the cloud."""
