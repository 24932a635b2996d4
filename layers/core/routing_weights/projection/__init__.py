"""What a plan will do to its queue, computed before the first write: pure mathematics."""
