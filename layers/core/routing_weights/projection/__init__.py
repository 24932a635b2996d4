"""What a plan will do to its queue, and what it will cost, computed before the first write: pure mathematics."""
