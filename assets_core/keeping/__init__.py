"""What becomes of published data: moments of the past, going back, comparing versions, removing what nobody needs."""
