"""What every controller stands on: client, reflector, store, work queue, elector, recorder.

A :class:`~.client.Client` speaks to the API server over a :class:`~.transport.Transport`. An
:class:`~.informer.Informer` keeps a :class:`~.store.Store` current and tells handlers of changes;
they add keys to a :class:`~.workqueue.WorkQueue`, whose keys :func:`~.worker.run_workers`
reconciles. Writes are dicts from :mod:`~.patches`. A :class:`~.elector.LeaderElector` sees to it
that one process works at a time, an :class:`~.recorder.EventRecorder` tells people what happened.
"""
