"""Who may say that a number is right, and how they prove it."""
