"""The soak: half an hour of faults, edits, fleets, schedules and draws, with an oracle that looks all the time."""
