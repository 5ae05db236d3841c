"""How well the cells do on the tasks, each with the same budget of trials."""
