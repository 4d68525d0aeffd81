"""What the weights become: recipe, integers, calibration, and the search under a budget."""
