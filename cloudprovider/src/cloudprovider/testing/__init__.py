"""For tests of providers and controllers: fakes, virtual time, journals, faults, conformance."""
