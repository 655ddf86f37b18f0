"""Who calls the secure port, and what they may read: both are asked of the API server."""
