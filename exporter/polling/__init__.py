"""When and how CircleCI is asked: the schedule, and one poll of each kind."""
