"""What Watcher loads: goal, strategy, planner, action, and their options."""
