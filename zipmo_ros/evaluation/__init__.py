"""Episodes, agents, outcomes, collection, and the runners."""
