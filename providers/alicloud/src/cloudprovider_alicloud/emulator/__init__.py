"""A stand-in for Alibaba Cloud's APIs on this machine, spoken to by the real SDK.

``core``       the state machine, apart from HTTP: ``Emulator.call(product, action, params)``
``inprocess``  a ``Caller`` on top of it, for tests on virtual time
``server``     HTTP with signatures, metadata service and admin path; ``new_emulator(options)``
``catalogue``  the table of actions
"""
