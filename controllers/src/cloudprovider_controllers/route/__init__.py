"""Routes to the nodes' pod networks.

:mod:`.demand` asks what nodes need, :mod:`.decisions` compares it with what the cloud has,
:mod:`.reconciler` makes one pass, :mod:`.controller` decides when.
"""
