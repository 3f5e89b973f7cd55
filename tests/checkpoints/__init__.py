"""Small checkpoints that the real trainers wrote, the bases they were trained on, and how both are made."""
