"""Many methods on the same held-out knees: volumes, scores, statistics, and one page that shows them."""
