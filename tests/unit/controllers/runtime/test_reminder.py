"""The same complaint is told once, and again when the event about it is forgotten."""

from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_controllers.runtime.reminder import REMIND, Reminder


def test_the_same_is_told_again_after_an_hour_and_another_at_once():
    clock = VirtualConcurrency()
    told = []

    def main():
        reminder = Reminder(clock)

        def complain(complaint, thing="web"):
            if reminder.is_due(thing, complaint):
                told.append((clock.monotonic(), thing, complaint))

        complain("bad")
        complain("bad")
        complain("bad", "api")
        complain("worse")
        clock.sleep(REMIND - 1)
        complain("worse")
        clock.sleep(1)
        complain("worse")
        reminder.forget("web")
        complain("worse")
        reminder.keep(["web"])
        complain("worse")
        complain("bad", "api")

    clock.run(main)
    assert told == [
        (0, "web", "bad"),
        (0, "api", "bad"),
        (0, "web", "worse"),
        (3600, "web", "worse"),
        (3600, "web", "worse"),
        (3600, "api", "bad"),
    ]
