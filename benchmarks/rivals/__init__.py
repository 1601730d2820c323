"""Who SIMPLE is measured against. Networks are written from their papers; random weights, so only speed counts."""
