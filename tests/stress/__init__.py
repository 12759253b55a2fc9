"""Many processes, many messages, kills at random: what only load brings out."""
