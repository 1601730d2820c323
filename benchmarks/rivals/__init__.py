"""Networks that SIMPLE is measured against, written from their papers; their weights are random, so only speed counts."""
