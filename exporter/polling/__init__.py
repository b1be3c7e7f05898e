"""When and how to ask CircleCI: the schedule, and each kind of poll."""
