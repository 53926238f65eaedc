"""`countersign demo`: the product's real job, told with real traffic between real programs."""
