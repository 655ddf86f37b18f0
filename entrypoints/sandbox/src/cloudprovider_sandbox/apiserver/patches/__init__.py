"""The four kinds of patch, as pure functions on decoded JSON."""
