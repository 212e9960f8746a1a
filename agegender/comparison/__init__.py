"""Several trained models beside each other: discovery, rows, differences, papers, tables."""
