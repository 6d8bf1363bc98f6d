"""Count likes: clients batch, processes add, and one total is stored and told."""
