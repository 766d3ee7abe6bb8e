"""A finished timetable as a plan that says why."""
