"""Lab and Y′CbCr mathematics: exact, and fast where a film needs it."""
